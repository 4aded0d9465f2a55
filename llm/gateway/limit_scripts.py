"""The Lua that counts in Redis, on Redis' own clock.

A bucket's window is a hash. Its first field (n) says all that most calls need: the second
it was last brought up to, the calls and tokens of the minute until then, and those of
that second alone. The others are the calls and tokens of each of the 60 seconds before
(r0…, t0…, a ring), touched once a second: Redis searches such a hash from its beginning.
Every span of 60 s lies within 61 seconds of the clock, so no span holds more than the
limit. A bucket's leases are a sorted set: place by the millisecond at which the lease
ends.
"""

_WINDOW = """
local RING = 61
local STATE = '>ddddd'  -- as text it would take a third longer
local clock = redis.call('TIME')
local second = tonumber(clock[1])
local now_ms = second * 1000 + math.floor(tonumber(clock[2]) / 1000)

local function write(key, window)
  redis.call('HSET', key, 'n', struct.pack(STATE,
             window.at, window.R, window.T, window.r, window.t))
  if window.last ~= window.at then redis.call('EXPIRE', key, RING + 1) end
end

local function read(key)
  local state = redis.call('HGET', key, 'n')
  if not state then return {last = 0, at = second, R = 0, T = 0, r = 0, t = 0} end
  local at, R, T, r, t = struct.unpack(STATE, state)
  return {last = at, at = at, R = R, T = T, r = r, t = t}
end

-- Read a window without what has left it: at is the second that counts now.
local function catch_up(key)
  local window = read(key)
  local last = window.at
  if last == second then return window end
  if math.abs(second - last) >= RING then
    redis.call('DEL', key)
    return {last = 0, at = second, R = 0, T = 0, r = 0, t = 0}
  end
  if second < last then return window end
  local stale = {}
  for at = last + 1, second do
    stale[#stale + 1] = 'r' .. at % RING
    stale[#stale + 1] = 't' .. at % RING
  end
  local gone = redis.call('HMGET', key, unpack(stale))
  for i = 1, #stale, 2 do
    window.R = window.R - (tonumber(gone[i]) or 0)
    window.T = window.T - (tonumber(gone[i + 1]) or 0)
  end
  redis.call('HDEL', key, unpack(stale))
  redis.call('HSET', key, 'r' .. last % RING, window.r, 't' .. last % RING, window.t)
  window.at, window.r, window.t = second, 0, 0
  write(key, window)
  return window
end

-- Take some of a sum ('R' or 'T') out of the second it was counted in, whose field is
-- newest ('r' or 't') or a slot of the ring. No more than is there; return how much.
local function take_back(key, window, sum, newest, at, amount)
  local there = 0
  if at == window.at then
    there = math.min(window[newest], amount)
    window[newest] = window[newest] - there
  elseif window.at - at < RING then
    local slot = newest .. at % RING
    there = math.min(tonumber(redis.call('HGET', key, slot)) or 0, amount)
    if there > 0 then redis.call('HINCRBY', key, slot, -there) end
  end
  window[sum] = window[sum] - there
  return there
end
"""

# KEYS: window and leases of each bucket. ARGV: a place (the call's own, or one that it
# takes over), a lease's ms, calls and tokens wanted ahead, then of each bucket calls,
# tokens and concurrent calls at most (-1: no limit) and the tokens to set aside. Answers
# 1, per bucket second, calls and tokens (without what is granted ahead), the calls and
# tokens granted ahead, the places that may be idle and the ms until the second is over;
# or 0, bucket, kind, ms to wait.
ADMIT = (
    _WINDOW
    + """
local SHARE = 16  -- of what is left, the part that is lent at once
local place, lease_ms = ARGV[1], tonumber(ARGV[2])
local calls_ahead, tokens_ahead = tonumber(ARGV[3]), tonumber(ARGV[4])
local places = 1000
local longest = {0, 0, 0, -1}
local windows, running = {}, {}

local function deny(bucket, kind, wait_ms)
  if wait_ms > longest[4] then longest = {0, bucket, kind, wait_ms} end
end

-- Milliseconds until so much of a sum has left the window.
-- The second that counts now is the last to leave it.
local function wait_ms(key, at, letter, excess)
  local names = {}
  for age = RING - 1, 1, -1 do
    names[#names + 1] = letter .. (at - age) % RING
  end
  local seconds = RING
  for i, amount in ipairs(redis.call('HMGET', key, unpack(names))) do
    excess = excess - (tonumber(amount) or 0)
    if excess <= 0 then seconds = i break end
  end
  return (at + seconds) * 1000 - now_ms
end

for i = 1, #KEYS / 2 do
  local window, leases, first = KEYS[2 * i - 1], KEYS[2 * i], 4 * i + 1
  local most_calls, most_tokens = tonumber(ARGV[first]), tonumber(ARGV[first + 1])
  local most_running, asked = tonumber(ARGV[first + 2]), tonumber(ARGV[first + 3])
  if most_calls >= 0 or most_tokens >= 0 then
    local now = catch_up(window)
    windows[i] = now
    if most_calls >= 0 and now.R + 1 > most_calls then
      deny(i, 1, wait_ms(window, now.at, 'r', now.R + 1 - most_calls))
    end
    if most_tokens >= 0 and now.T + asked > most_tokens then
      deny(i, 2, wait_ms(window, now.at, 't', now.T + asked - most_tokens))
    end
  end
  if most_running >= 0 then
    running[i] = redis.call('ZCARD', leases)
    if running[i] >= most_running then  -- unless some of them have run out
      redis.call('ZREMRANGEBYSCORE', leases, '-inf', now_ms)
      running[i] = redis.call('ZCARD', leases)
      if running[i] >= most_running and not redis.call('ZSCORE', leases, place) then
        deny(i, 3, 1000)
      end
    end
  end
end
if longest[4] >= 0 then return longest end

local function share_of(most, used)
  if most < 0 then return math.huge end
  return math.max(0, math.floor((most - used) / SHARE))
end

for i = 1, #KEYS / 2 do
  local first, now = 4 * i + 1, windows[i]
  if now then
    local asked = tonumber(ARGV[first + 3])
    calls_ahead = math.min(calls_ahead, share_of(tonumber(ARGV[first]), now.R + 1))
    tokens_ahead = math.min(
      tokens_ahead, share_of(tonumber(ARGV[first + 1]), now.T + asked))
  end
  if running[i] then
    places = math.min(places, share_of(tonumber(ARGV[first + 2]), running[i] + 1))
  end
end
if calls_ahead == 0 then tokens_ahead = 0 end

local answer = {1}
for i = 1, #KEYS / 2 do
  local leases, first, now = KEYS[2 * i], 4 * i + 1, windows[i]
  local calls, tokens = 0, 0
  if now then
    local asked = tonumber(ARGV[first + 3])
    calls, tokens = now.R + 1, now.T + asked
    local ahead = tonumber(ARGV[first + 1]) >= 0 and tokens_ahead or 0
    now.R, now.r = calls + calls_ahead, now.r + 1 + calls_ahead
    now.T, now.t = tokens + ahead, now.t + asked + ahead
    write(KEYS[2 * i - 1], now)
  end
  if running[i] then
    redis.call('ZADD', leases, now_ms + lease_ms, place)
    -- Once a second, for a second more than the newest lease has.
    if running[i] == 0 or not now or now.last ~= now.at then
      redis.call('PEXPIRE', leases, lease_ms + 1000)
    end
  end
  answer[#answer + 1] = now and now.at or -1
  answer[#answer + 1] = calls
  answer[#answer + 1] = tokens
end
answer[#answer + 1] = calls_ahead
answer[#answer + 1] = tokens_ahead
answer[#answer + 1] = places
answer[#answer + 1] = (second + 1) * 1000 - now_ms
return answer
"""
)

# KEYS as above. ARGV: the place to free (or none), then of each bucket the second of its reservation (-1:
# none), the tokens set aside and the tokens used. What was not needed goes back to the
# second it was taken from; what was used beyond counts now, when it is known.
FINISH = (
    _WINDOW
    + """
for i = 1, #KEYS / 2 do
  local window, first = KEYS[2 * i - 1], 3 * i - 1
  redis.call('ZREM', KEYS[2 * i], ARGV[1])
  local reserved_at = tonumber(ARGV[first])
  local beyond = tonumber(ARGV[first + 2]) - tonumber(ARGV[first + 1])
  if reserved_at >= 0 and beyond ~= 0 then
    local now = catch_up(window)
    if beyond > 0 then
      now.T, now.t = now.T + beyond, now.t + beyond
      write(window, now)
    elseif take_back(window, now, 'T', 't', reserved_at, -beyond) > 0 then
      write(window, now)
    end
  end
end
return 1
"""
)

# KEYS: the window of each bucket. ARGV: calls and tokens that were granted ahead and not
# used, then of each bucket the second of the grant (-1: none).
GIVE_BACK = (
    _WINDOW
    + """
for i, window in ipairs(KEYS) do
  local at = tonumber(ARGV[i + 2])
  if at >= 0 then
    local now = catch_up(window)
    local calls = take_back(window, now, 'R', 'r', at, tonumber(ARGV[1]))
    local tokens = take_back(window, now, 'T', 't', at, tonumber(ARGV[2]))
    if calls + tokens > 0 then write(window, now) end
  end
end
return 1
"""
)

# KEYS: leases; ARGV: a lease's ms, then the place for each key.
RENEW = """
local clock, lease_ms = redis.call('TIME'), tonumber(ARGV[1])
local now_ms = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
for i, leases in ipairs(KEYS) do
  redis.call('ZADD', leases, now_ms + lease_ms, ARGV[i + 1])
  redis.call('PEXPIRE', leases, lease_ms)
end
return 1
"""
