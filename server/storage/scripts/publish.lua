-- Publish what Postgres has committed: an absolute balance with its version, and the starts that are decided.
--
-- KEYS[1]  {ch:<channel>}:bal   hash: b = balance, v = version of the ledger; expires
-- KEYS[2]  {ch:<channel>}:open  sorted set: chat -> deadline
-- ARGV     balance, version, milliseconds that a balance lives, chats to release ...
--          an empty balance only releases
--
-- The newest version wins. Who loses changes nothing and does not prolong the winner's life, so that a version
-- that nobody will ever reach is gone when it expires. Answers 1 when the balance was written, else 0.

local function is_count(text)
    return text and #text <= 15 and string.match(text, '^%d+$')
end

-- As in reserve.lua: what nobody of ours has written goes, and wins over nobody.
local function newest_version()
    local kind = redis.call('TYPE', KEYS[1]).ok
    if kind == 'none' then
        return nil
    end
    if kind == 'hash' then
        local copy = redis.call('HMGET', KEYS[1], 'b', 'v')
        local lives_ms = redis.call('PTTL', KEYS[1])
        if is_count(copy[1]) and is_count(copy[2]) and lives_ms >= 0 and lives_ms <= tonumber(ARGV[3]) then
            return tonumber(copy[2])
        end
    end
    redis.call('DEL', KEYS[1])
    return nil
end

if #ARGV > 3 then
    local kind = redis.call('TYPE', KEYS[2]).ok
    if kind == 'zset' then
        redis.call('ZREM', KEYS[2], unpack(ARGV, 4))
    elseif kind ~= 'none' then
        redis.call('DEL', KEYS[2])
    end
end

if ARGV[1] == '' then
    return 0
end
local newest = newest_version()
if newest and tonumber(ARGV[2]) < newest then
    return 0
end
redis.call('HSET', KEYS[1], 'b', ARGV[1], 'v', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
