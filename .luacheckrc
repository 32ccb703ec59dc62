std = "lua54"
files["tests/lua/*_spec.lua"] = { std = "lua54+busted" }
files["bindings/lua/millpond/meta.lua"] = { ignore = { "212", "241", "511", "631" } } -- bodies are empty
files["bindings/luajit/resty"] = { std = "luajit+ngx_lua" }
files["tests/openresty"] = { std = "luajit+ngx_lua" }
files["examples/ffi/luajit/*.lua"] = { std = "luajit" }
