-- Owe a delivery once more, from now on and with the whole schedule before it.
--
-- KEYS: 1 delivery, 2 the receiver's deliveries by when each is due, 3 receivers by the same
-- ARGV: 1 delivery id, 2 receiver, 3 seconds that the delivery is kept
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local clock = redis.call('TIME')
local now = clock[1] .. '.' .. string.format('%06d', clock[2])
redis.call('HSET', KEYS[1], 'state', 'pending', 'tries', 0, 'next_at', now)
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZADD', KEYS[3], 'LT', now, ARGV[2])
return 1
