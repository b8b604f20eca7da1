-- Change one job's record, if it may be changed: the one script behind every write after admission.
--
-- KEYS: 1 record, 2 events, 3 deadlines
-- ARGV: 1 statuses it may be in, separated by spaces, 2 the lease that must hold it ('' for any),
--       3 type of the event ('' for none), 4 its data ('' for a snapshot of the record), 5 event maxlen,
--       6 seconds that record and events live from now on ('' while the job is open),
--       7.. fields and values to set, at least one
-- Returns the job's status before, or nothing if it was left alone.
local found = redis.call('HMGET', KEYS[1], 'status', 'lease')
if not found[1] or not string.find(' ' .. ARGV[1] .. ' ', ' ' .. found[1] .. ' ', 1, true) then
  return false
end
if ARGV[2] ~= '' and found[2] ~= ARGV[2] then return false end

-- What stands there already, but for the time, was said before an answer got lost: no second event.
local is_new = false
for i = 7, #ARGV, 2 do
  local is_time = string.find(ARGV[i], '_at$')
  is_new = is_new or not is_time and redis.call('HGET', KEYS[1], ARGV[i]) ~= ARGV[i + 1]
end
if not is_new then return found[1] end

redis.call('HSET', KEYS[1], unpack(ARGV, 7))
local data = ARGV[4]
if ARGV[3] ~= '' and data == '' then
  local flat, snapshot = redis.call('HGETALL', KEYS[1]), {}
  for i = 1, #flat, 2 do snapshot[flat[i]] = flat[i + 1] end
  data = cjson.encode(snapshot)
end
if ARGV[3] ~= '' then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'type', ARGV[3], 'data', data)
end
if ARGV[6] ~= '' then
  redis.call('EXPIRE', KEYS[1], ARGV[6])
  redis.call('EXPIRE', KEYS[2], ARGV[6])
  redis.call('ZREM', KEYS[3], redis.call('HGET', KEYS[1], 'id'))
end
return found[1]
