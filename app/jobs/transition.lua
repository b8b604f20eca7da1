-- Change one job's record, if it may be changed: the one script behind every write after admission.
--
-- KEYS: 1 record, 2 events, 3 deadlines, 4 receivers by when they are due, 5 the delivery that this
--       event may make 6 prefix of the sets of open jobs
--       (beside these, the sorted set of the receiver and the open jobs of the owner in the record,
--       and the delivery that told of the job's beginning)
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

  -- A wanted webhook is owed from this very moment on; a second attempt at a job is no news.
  local webhook = snapshot.webhook and found[1] ~= ARGV[3] and cjson.decode(snapshot.webhook)
  for _, event in ipairs(webhook and webhook.events or {}) do
    if event == 'job.' .. ARGV[3] then
      local clock = redis.call('TIME')
      local now = clock[1] .. '.' .. string.format('%06d', clock[2])
      redis.call('HSET', KEYS[5], 'event', event, 'created_at', now, 'next_at', now,
        'state', 'pending', 'record', data)
      redis.call('EXPIRE', KEYS[5], webhook.keep_s)
      redis.call('ZADD', KEYS[4] .. ':' .. webhook.receiver, now, snapshot.id .. '-' .. ARGV[3])
      redis.call('ZADD', KEYS[4], 'LT', now, webhook.receiver)
    end
  end
end
if ARGV[3] ~= '' then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'type', ARGV[3], 'data', data)
end
if ARGV[6] ~= '' then
  redis.call('EXPIRE', KEYS[1], ARGV[6])
  redis.call('EXPIRE', KEYS[2], ARGV[6])
  -- What was told of the beginning goes with the record; what is still to be told is kept.
  local began = string.gsub(KEYS[5], '%w+$', 'processing')
  if redis.call('HGET', began, 'state') ~= 'pending' then redis.call('EXPIRE', began, ARGV[6]) end
  local known = redis.call('HMGET', KEYS[1], 'id', 'owner')
  redis.call('ZREM', KEYS[3], known[1])
  redis.call('SREM', KEYS[6] .. ':' .. known[2], known[1])
end
return found[1]
