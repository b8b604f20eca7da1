-- Move the next job off the queues into its queue's intermediate list, so that a worker that dies
-- before it has begun a job loses nothing. RQ's lists say which jobs wait; the owners' lines say in
-- what order, by start-time fair queueing (Goyal, Vin and Cheng 1996): the owner that was served
-- least goes next, and is charged what its job costs.
--
-- KEYS: RQ's queues (all models of one priority, then the next), then the doorbells
-- ARGV: 1 number of queues, 2 the model to begin with, 3 prefix of waiting sets, 4 of turns,
--       5 of lines, 6 of records, 7.. the models
-- Returns queue index and job id, or nothing. An empty house needs no bell: it is silenced.
local queues, models = tonumber(ARGV[1]), #ARGV - 6
local function recorded(id, field) return redis.call('HGET', ARGV[6] .. ':' .. id, field) end
local function line_of(owner, m) return ARGV[5] .. ':' .. owner .. ':' .. ARGV[6 + m] end
local function take(i, id) return {i, id, redis.call('RPUSH', KEYS[i] .. ':intermediate', id)} end

-- What stands at the head of a list and in no line came back from a worker: its turn has been.
for i = 1, queues do
  local id = redis.call('LINDEX', KEYS[i], 0)
  local owner = id and recorded(id, 'owner')
  if id and not (owner and redis.call('ZSCORE', line_of(owner, (i - 1) % models + 1), id)) then
    redis.call('LPOP', KEYS[i])
    return take(i, id)
  end
end

local function next_in_turn(m)
  local best, waiting, turns = nil, ARGV[3] .. ':' .. ARGV[6 + m], ARGV[4] .. ':' .. ARGV[6 + m]
  for _, owner in ipairs(redis.call('SMEMBERS', waiting)) do
    local line = line_of(owner, m)
    local head = redis.call('ZRANGE', line, 0, 0, 'WITHSCORES')
    if not head[1] then
      redis.call('SREM', waiting, owner)
    else
      local turn, due = tonumber(redis.call('HGET', turns, owner)) or 0, tonumber(head[2])
      if not best or turn < best.turn or (turn == best.turn and due < best.due) then
        best = {owner = owner, line = line, id = head[1], turn = turn, due = due, turns = turns}
      end
    end
  end
  return best
end

local function charge(job)
  local turn = job.turn + (tonumber(recorded(job.id, 'cost')) or 0)
  local last = math.max(job.turn, tonumber(redis.call('HGET', job.turns, ':last')) or 0)
  redis.call('HSET', job.turns, job.owner, string.format('%.17g', turn),
    ':last', string.format('%.17g', last))
end

for step = 0, models - 1 do
  local m = (tonumber(ARGV[2]) + step) % models + 1
  local job = next_in_turn(m)
  while job do
    redis.call('ZREM', job.line, job.id)
    local name = recorded(job.id, 'queue')
    for i = m, queues, models do
      if KEYS[i] == name and redis.call('LREM', name, 1, job.id) == 1 then
        charge(job)
        return take(i, job.id)
      end
    end
    job = next_in_turn(m)  -- that one had left RQ's list
  end
end
for i = queues + 1, #KEYS do redis.call('DEL', KEYS[i]) end
return false
