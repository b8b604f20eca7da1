-- Write down one try and what follows from it. A try whose claim has run out is noted and decides
-- nothing: another sender has the delivery now, or somebody asked for it once more.
--
-- KEYS: 1 delivery, 2 the receiver's deliveries by when each is due, 3 receivers by the same,
--       4 the job's record
-- ARGV: 1 delivery id, 2 receiver, 3 claim, 4 the try, 5 state from now on, 6 seconds until the next
--       try ('' for none), 7 seconds that the delivery is kept, 8 tries to keep in it
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return
end

local number = redis.call('HINCRBY', KEYS[1], 'attempts', 1)
redis.call('HSET', KEYS[1], 'attempt:' .. number, ARGV[4])
redis.call('HDEL', KEYS[1], 'attempt:' .. number - tonumber(ARGV[8]))
redis.call('EXPIRE', KEYS[1], ARGV[7])
if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[3] then return end

redis.call('HSET', KEYS[1], 'state', ARGV[5])
redis.call('HINCRBY', KEYS[1], 'tries', 1)
if ARGV[6] == '' then
  redis.call('HDEL', KEYS[1], 'next_at')
  -- Nobody can ask for it once its job is forgotten, so it is not kept longer.
  local left = redis.call('PTTL', KEYS[4])
  if left > 0 then redis.call('PEXPIRE', KEYS[1], left) end
  if left == -2 then redis.call('DEL', KEYS[1]) end
  redis.call('ZREM', KEYS[2], ARGV[1])
  if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('ZREM', KEYS[3], ARGV[2]) end
else
  local clock = redis.call('TIME')
  local at = string.format('%.6f', clock[1] + clock[2] / 1e6 + ARGV[6])
  redis.call('HSET', KEYS[1], 'next_at', at)
  redis.call('ZADD', KEYS[2], at, ARGV[1])
  redis.call('ZADD', KEYS[3], 'LT', at, ARGV[2])
end
