-- Say how many jobs are taken before this one, if no other is submitted meanwhile.
--
-- KEYS: 1 the owner's line, 2 owners that wait for the model, 3 turns, 4 RQ's queue of the job,
--       5.. RQ's other queues of the model
-- ARGV: 1 job id, 2 owner, 3 model, 4 prefix of lines, 5 prefix of records
-- Returns a number, or nothing once the job has left the queue. Exact while the jobs of each owner
-- cost as much as its next one does.
local rank = redis.call('ZRANK', KEYS[1], ARGV[1])
if not rank then return redis.call('LPOS', KEYS[4], ARGV[1]) end  -- it came back: it is first

local function next_cost(line)
  local head = redis.call('ZRANGE', line, 0, 0)[1]
  return tonumber(redis.call('HGET', ARGV[5] .. ':' .. head, 'cost')) or 1
end
local function served(owner) return tonumber(redis.call('HGET', KEYS[3], owner)) or 0 end

local due = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]))
local before, in_lines = rank, redis.call('ZCARD', KEYS[1])
local turn = served(ARGV[2]) + rank * next_cost(KEYS[1])
for _, owner in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  local line = ARGV[4] .. ':' .. owner .. ':' .. ARGV[3]
  local waiting = redis.call('ZCARD', line)
  if owner ~= ARGV[2] and waiting > 0 then
    in_lines = in_lines + waiting
    local turns = math.max(0, math.ceil((turn - served(owner)) / next_cost(line)))
    if served(owner) + turns * next_cost(line) == turn then  -- the elder of two equal turns is first
      local tied = tonumber(redis.call('ZRANGE', line, turns, turns, 'WITHSCORES')[2])
      if tied and tied < due then turns = turns + 1 end
    end
    before = before + math.min(waiting, turns)
  end
end

local came_back = -in_lines
for i = 4, #KEYS do came_back = came_back + redis.call('LLEN', KEYS[i]) end
return before + math.max(0, came_back)
