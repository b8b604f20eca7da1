-- Take one job in, whole or not at all: replay, bound, record, first event, RQ's job and its place
-- in the queue and in its owner's line are one atomic step, so no job is ever accepted and not
-- queued, or queued twice.
--
-- KEYS: 1 record, 2 events, 3 owner's list, 4 idempotency record, 5 deadlines, 6 RQ's job,
--       7 RQ's set of queues, 8 doorbell, 9 RQ's queue of the job, 10 the owner's open jobs,
--       11 the owner's line, 12 owners that wait for the model, 13 their turns
-- ARGV: 1 the terms as JSON: id, owner, fingerprint of the body ('' without an Idempotency-Key) and
--       its idempotency_ttl_s, max_queue, created and due (seconds), deadline (none: ''),
--       events_maxlen; over all models: RQ's queues, the owner's lines, the waiting sets
--       2 number of record fields, 3.. record fields and values, then RQ's fields and values
local terms = cjson.decode(ARGV[1])
if terms.fingerprint ~= '' then
  local known = redis.call('HMGET', KEYS[4], 'job', 'fingerprint')
  if known[1] then
    return {known[2] == terms.fingerprint and 'replay' or 'mismatch', known[1]}
  end
end

-- The same id again is our own client trying once more after a lost answer.
if redis.call('EXISTS', KEYS[1]) == 1 then return {'accepted', '0'} end

local function total(command, names)
  local sum = 0
  for _, name in ipairs(names) do sum = sum + redis.call(command, name) end
  return sum
end

-- A full queue is full for whoever has an equal part of it: nobody's flood locks the others out.
local own, waiting = total('ZCARD', terms.lines), total('LLEN', terms.queues)
if waiting >= terms.max_queue then
  local others = 0
  for _, owner in ipairs(redis.call('SUNION', unpack(terms.waiting))) do
    if owner ~= terms.owner then others = others + 1 end
  end
  if others == 0 or own >= terms.max_queue / (others + 1) then return {'full', tostring(waiting)} end
end

local last = 2 + tonumber(ARGV[2])
redis.call('HSET', KEYS[1], unpack(ARGV, 3, last))
local snapshot = {}
for i = 3, last, 2 do snapshot[ARGV[i]] = ARGV[i + 1] end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', terms.events_maxlen, '*', 'type', 'queued', 'data',
  cjson.encode(snapshot))
redis.call('ZADD', KEYS[3], terms.created, terms.id)
redis.call('SADD', KEYS[10], terms.id)
if terms.deadline ~= '' then redis.call('ZADD', KEYS[5], terms.deadline, terms.id) end
if terms.fingerprint ~= '' then
  redis.call('HSET', KEYS[4], 'job', terms.id, 'fingerprint', terms.fingerprint)
  redis.call('EXPIRE', KEYS[4], terms.idempotency_ttl_s)
end

-- Whoever had nothing waiting joins at the present turn: being away saves up no claim.
if redis.call('ZCARD', KEYS[11]) == 0 then
  local last, mine = unpack(redis.call('HMGET', KEYS[13], ':last', terms.owner))
  local turn = math.max(tonumber(last) or 0, tonumber(mine) or 0)
  redis.call('HSET', KEYS[13], terms.owner, string.format('%.17g', turn))
end
redis.call('ZADD', KEYS[11], terms.due, terms.id)
redis.call('SADD', KEYS[12], terms.owner)

redis.call('HSET', KEYS[6], unpack(ARGV, last + 1))
redis.call('SADD', KEYS[7], KEYS[9])
redis.call('RPUSH', KEYS[9], terms.id)
redis.call('RPUSH', KEYS[8], terms.id)
redis.call('LTRIM', KEYS[8], -64, -1)
return {'accepted', tostring(waiting)}
