-- Take one job in, whole or not at all: replay, bound, record, first event, RQ's job and its place
-- in the queue are one atomic step, so no job is ever accepted and not queued, or queued twice.
--
-- KEYS: 1 record, 2 events, 3 owner's list, 4 idempotency record, 5 deadlines, 6 RQ's job,
--       7 RQ's set of queues, 8 doorbell, 9 the job's queue, 10.. all queues that count to the bound
-- ARGV: 1 job id, 2 fingerprint of the body ('' without an Idempotency-Key), 3 its lifetime,
--       4 bound, 5 now, 6 deadline ('' for none), 7 event maxlen, 8 number of record fields,
--       9.. record fields and values, then RQ's fields and values
if ARGV[2] ~= '' then
  local known = redis.call('HMGET', KEYS[4], 'job', 'fingerprint')
  if known[1] then
    return {known[2] == ARGV[2] and 'replay' or 'mismatch', known[1]}
  end
end

-- The same id again is our own client trying once more after a lost answer.
if redis.call('EXISTS', KEYS[1]) == 1 then return {'accepted', '0'} end

local waiting = 0
for i = 10, #KEYS do waiting = waiting + redis.call('LLEN', KEYS[i]) end
if waiting >= tonumber(ARGV[4]) then return {'full', tostring(waiting)} end

local last = 8 + tonumber(ARGV[8])
redis.call('HSET', KEYS[1], unpack(ARGV, 9, last))
local snapshot = {}
for i = 9, last, 2 do snapshot[ARGV[i]] = ARGV[i + 1] end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[7], '*', 'type', 'queued', 'data',
  cjson.encode(snapshot))
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[1])
if ARGV[6] ~= '' then redis.call('ZADD', KEYS[5], ARGV[6], ARGV[1]) end
if ARGV[2] ~= '' then
  redis.call('HSET', KEYS[4], 'job', ARGV[1], 'fingerprint', ARGV[2])
  redis.call('EXPIRE', KEYS[4], ARGV[3])
end

redis.call('HSET', KEYS[6], unpack(ARGV, last + 1))
redis.call('SADD', KEYS[7], KEYS[9])
redis.call('RPUSH', KEYS[9], ARGV[1])
redis.call('RPUSH', KEYS[8], ARGV[1])
redis.call('LTRIM', KEYS[8], -64, -1)
return {'accepted', tostring(waiting)}
