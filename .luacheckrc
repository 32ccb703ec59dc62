std = "lua54"
files["tests/lua/*_spec.lua"] = { std = "lua54+busted" }
