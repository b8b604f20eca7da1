-- Take some of a receiver's due deliveries: until the claim runs out, no other sender sees them.
--
-- KEYS: 1 receivers by when they are due, 2 the receiver's deliveries by when each is due
-- ARGV: 1 receiver, 2 at most so many, 3 seconds that the claim holds
-- Returns ids and, after each, the claim that its settlement must show.
local clock = redis.call('TIME')
local now = clock[1] .. '.' .. string.format('%06d', clock[2])
local until_ = tonumber(clock[1]) + tonumber(ARGV[3]) .. '.' .. string.format('%06d', clock[2])

local claims = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[2])) do
  redis.call('ZADD', KEYS[2], until_, id)
  claims[#claims + 1] = id
  claims[#claims + 1] = redis.call('ZSCORE', KEYS[2], id)
end

local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if first[1] then
  redis.call('ZADD', KEYS[1], first[2], ARGV[1])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return claims
