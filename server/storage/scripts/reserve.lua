-- Reserve a place for the first message of a chat, as far as the copy of the balance tells.
--
-- KEYS[1]  {ch:<channel>}:bal   hash: b = balance, v = version of the ledger; expires
-- KEYS[2]  {ch:<channel>}:open  sorted set: chat -> deadline, milliseconds of this server's clock
-- ARGV     chat, milliseconds that a reservation holds, milliseconds that a balance may live
--
-- MISS   no balance that can be trusted: read it from Postgres, publish it, ask again
-- DUP    this chat has a place already
-- EMPTY  every credit is spent or reserved
-- OK     reserved

local function is_count(text)
    return text and #text <= 15 and string.match(text, '^%d+$')
end

-- What nobody of ours has written goes: another type, no integers, an expiry that never comes or comes too late.
local function trusted_balance()
    local kind = redis.call('TYPE', KEYS[1]).ok
    if kind == 'none' then
        return nil
    end
    if kind == 'hash' then
        local copy = redis.call('HMGET', KEYS[1], 'b', 'v')
        local lives_ms = redis.call('PTTL', KEYS[1])
        if is_count(copy[1]) and is_count(copy[2]) and lives_ms >= 0 and lives_ms <= tonumber(ARGV[3]) then
            return tonumber(copy[1])
        end
    end
    redis.call('DEL', KEYS[1])
    return nil
end

local balance = trusted_balance()
if not balance then
    return 'MISS'
end

local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'zset' and kind ~= 'none' then
    redis.call('DEL', KEYS[2])
end
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local deadline = now + ARGV[2]
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '(' .. deadline, '+inf')

if redis.call('ZSCORE', KEYS[2], ARGV[1]) then
    return 'DUP'
end
if redis.call('ZCARD', KEYS[2]) >= balance then
    return 'EMPTY'
end
redis.call('ZADD', KEYS[2], deadline, ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 'OK'
