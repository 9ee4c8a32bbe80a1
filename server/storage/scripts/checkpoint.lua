-- Append to running answers, one stream each.
--
-- KEYS     the streams
-- ARGV     seconds that a stream is kept, then for each key: where the text begins in its answer, and the text
--
-- Answers for each key: 1 written; 0 nothing that continues is there (gone, or of another type); -1 refused, to be tried again.
-- A text that begins at 0 begins its stream anew, in the place of whatever is there.

local kept_seconds = ARGV[1]
local written = {}
for i, key in ipairs(KEYS) do
    local offset, text = ARGV[2 * i], ARGV[2 * i + 1]
    local reply
    if offset == '0' then
        redis.call('DEL', key)
        reply = redis.pcall('XADD', key, '*', 'o', offset, 'x', text)
        redis.call('EXPIRE', key, kept_seconds)
    else
        reply = redis.pcall('XADD', key, 'NOMKSTREAM', '*', 'o', offset, 'x', text)
    end
    if not reply then
        written[i] = 0
    elseif type(reply) == 'table' and reply.err then
        written[i] = string.find(reply.err, '^WRONGTYPE') and 0 or -1
    else
        written[i] = 1
    end
end
return written
