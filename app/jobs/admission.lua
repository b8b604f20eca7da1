-- Take one job in, whole or not at all: replay, bound, record, first event, RQ's job and its place
-- in the queue and in its owner's line are one atomic step, so no job is ever accepted and not
-- queued, or queued twice.
--
-- KEYS: 1 record, 2 events, 3 owner's list, 4 idempotency record, 5 deadlines, 6 RQ's job,
--       7 RQ's set of queues, 8 doorbell, 9 RQ's queue of the job, 10 the owner's open jobs,
--       11 the owner's line, 12 owners that wait for the model, 13 their turns, 14.. what the owner spent of each quota
-- ARGV: 1 the terms as JSON: id, owner, fingerprint of the body ('' without an Idempotency-Key) and
--       its idempotency_ttl_s, max_queue, max_jobs (0 for any number), created and due (seconds), deadline (none: ''),
--       events_maxlen; over all models: RQ's queues, the owner's lines, the waiting sets;
--       the quotas' limit, window_s and cost
--       2 number of record fields, 3.. record fields and values, then RQ's fields and values
-- Returns a verdict, what belongs to it, and of each quota what is left and when some comes back.
local terms = cjson.decode(ARGV[1])
if terms.fingerprint ~= '' then
  local known = redis.call('HMGET', KEYS[4], 'job', 'fingerprint')
  if known[1] then
    return {known[2] == terms.fingerprint and 'replay' or 'mismatch', known[1]}
  end
end

-- The same id again is our own client trying once more after a lost answer.
if redis.call('EXISTS', KEYS[1]) == 1 then return {'accepted', '0'} end

-- Windows slide by a sixtieth of their length. A slot counts until its last moment has left the
-- window, so that there is no stretch of that length with more than the quota in it.
local SLOTS = 60
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1e6
local refused_s
for i, quota in ipairs(terms.quotas) do
  local width = quota.window_s / SLOTS
  local present, sum, slots = math.floor(now / width), 0, {}
  local found = redis.call('HGETALL', KEYS[13 + i])
  for j = 1, #found, 2 do
    local slot = tonumber(found[j])
    if slot >= present - SLOTS then
      slots[#slots + 1] = {at = slot, spent = tonumber(found[j + 1])}
      sum = sum + tonumber(found[j + 1])
    end
  end
  table.sort(slots, function(a, b) return a.at < b.at end)
  local function back_s(slot) return math.ceil((slot.at + SLOTS + 1) * width - now) end
  local missing = sum + quota.cost - quota.limit
  quota.is_short, quota.present = missing > 1e-9, present
  for _, slot in ipairs(slots) do
    if missing > 1e-9 then
      missing = missing - slot.spent
      quota.wait_s = back_s(slot)
    end
  end
  if quota.is_short then refused_s = math.max(refused_s or 1, quota.wait_s or quota.window_s) end
  quota.left = quota.limit - sum
  quota.reset_s = slots[1] and back_s(slots[1]) or quota.window_s
end
local function with_balances(verdict, detail, is_charged)
  local answer = {verdict, detail}
  for _, quota in ipairs(terms.quotas) do
    answer[#answer + 1] = tostring(quota.left - (is_charged and quota.cost or 0))
    answer[#answer + 1] = tostring(quota.reset_s)
  end
  return answer
end
if refused_s then return with_balances('limited', tostring(refused_s)) end
if terms.max_jobs > 0 and redis.call('SCARD', KEYS[10]) >= terms.max_jobs then
  return with_balances('busy', tostring(terms.max_jobs))
end

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
  if others == 0 or own >= terms.max_queue / (others + 1) then
    return with_balances('full', tostring(waiting))
  end
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

for i, quota in ipairs(terms.quotas) do
  for _, slot in ipairs(redis.call('HKEYS', KEYS[13 + i])) do
    if tonumber(slot) < quota.present - SLOTS then redis.call('HDEL', KEYS[13 + i], slot) end
  end
  redis.call('HINCRBYFLOAT', KEYS[13 + i], string.format('%d', quota.present), quota.cost)
  redis.call('EXPIRE', KEYS[13 + i], quota.window_s + math.ceil(quota.window_s / SLOTS) + 1)
end
return with_balances('accepted', tostring(waiting), true)
