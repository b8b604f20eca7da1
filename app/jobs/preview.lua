-- Hand previews of one job to whoever watches it now, and say whether anybody does.
--
-- KEYS: 1 record, 2 the watchers' wish, 3 stream of previews
-- ARGV: 1 the lease that must hold the job, 2 seconds that previews live, 3 how many are kept,
--       4.. index and data URL of each
if redis.call('EXISTS', KEYS[2]) == 0 then return 0 end
local found = redis.call('HMGET', KEYS[1], 'status', 'lease')
if found[1] ~= 'processing' or found[2] ~= ARGV[1] then return 0 end
for i = 4, #ARGV, 2 do
  redis.call('XADD', KEYS[3], 'MAXLEN', ARGV[3], '*', 'type', 'preview', 'data',
    cjson.encode({index = tonumber(ARGV[i]), image = ARGV[i + 1]}))
  redis.call('EXPIRE', KEYS[3], ARGV[2])
end
return 1
