-- Move the next job off the queues, most urgent first, into its queue's intermediate list, so that
-- a worker that dies before it has begun a job loses nothing.
--
-- KEYS: the queues in order, then the doorbells. ARGV: 1 number of queues.
-- Returns queue index and job id, or nothing. An empty house needs no bell: it is silenced.
local queues = tonumber(ARGV[1])
for i = 1, queues do
  local id = redis.call('LMOVE', KEYS[i], KEYS[i] .. ':intermediate', 'LEFT', 'RIGHT')
  if id then return {i, id} end
end
for i = queues + 1, #KEYS do redis.call('DEL', KEYS[i]) end
return false
