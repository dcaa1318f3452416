-- SPDX-License-Identifier: MIT
-- Tables, closures and strings that come and go under Lua's own collector.

local percent = tonumber(arg[1])
local seed = 1
local function random(n)
	seed = (seed * 1103515245 + 12345) % 2147483648
	return seed // 65536 % n + 1
end

local keep, sum = {}, 0
for i = 1, 4000 * percent do
	local t = { id = i, name = "item" .. random(5000), list = {} }
	for k = 1, random(8) do
		t.list[k] = t.name .. k
	end
	t.visit = function() return #t.list + #t.name end
	keep[random(20000)] = t
	if i % 7 == 0 then
		local other = keep[random(20000)]
		if other then
			sum = sum + other.visit() + #table.concat(other.list, ",")
		end
	end
end
print(sum)
