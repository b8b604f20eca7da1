-- Move up to ARGV[1] jobs off the queues, most urgent first, each into its queue's intermediate
-- list, so that a worker that dies before it has begun a job loses nothing.
--
-- KEYS: the queues in order, then the doorbells. ARGV: 1 number wanted, 2 number of queues.
-- Returns pairs of queue index and job id. An empty house needs no bell: it is silenced.
local taken, wanted, queues = {}, tonumber(ARGV[1]), tonumber(ARGV[2])
for i = 1, queues do
  while #taken < 2 * wanted do
    local id = redis.call('LMOVE', KEYS[i], KEYS[i] .. ':intermediate', 'LEFT', 'RIGHT')
    if not id then break end
    taken[#taken + 1] = i
    taken[#taken + 1] = id
  end
end
if #taken < 2 * wanted then
  for i = queues + 1, #KEYS do redis.call('DEL', KEYS[i]) end
end
return taken
