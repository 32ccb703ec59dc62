-- Calls of the library: errors as values, handles that the collector releases.
local ffi = require("ffi")
local constants = require("resty.millpond.cdef")

local lib = ffi.load("libmillpond.so.0")
local native = { lib = lib, constants = constants }

local Error = {}
Error.__index = Error

function Error:__tostring()
    return self.name .. ": " .. self.message
end

-- The error of a code and its details, which may be NULL; they are freed.
function native.error_of(code, details)
    local made = setmetatable({
        code = code,
        name = ffi.string(lib.pond_error_name(code)),
        message = ffi.string(lib.pond_error_text(code)),
        sqlstate = ffi.string(lib.pond_error_sqlstate(details)),
        is_timeout = lib.pond_error_is_timeout(details) ~= 0,
        retryable = lib.pond_error_retryable(details) ~= 0,
    }, Error)
    if details ~= nil then
        made.message = ffi.string(lib.pond_error_message(details))
        lib.pond_error_free(details)
    end
    return made
end

-- An error of this module's own: a wrong argument.
function native.refuse(...)
    local made = native.error_of(lib.POND_EINVAL, nil)
    made.message = string.format(...)
    return nil, made
end

local place_for_error = ffi.typeof("pond_error *[1]")

-- Call a function, given without its last parameter, the error: returns its code, or nil and an
-- error.
function native.call(name, ...)
    local err = place_for_error()
    local count = select("#", ...)
    local arguments = { ... }
    arguments[count + 1] = err
    local code = lib[name](unpack(arguments, 1, count + 1))
    if code < 0 then
        return nil, native.error_of(code, err[0])
    end
    return code
end

-- A handle whose reference the collector drops.
function native.own(kind, handle)
    if handle == nil then
        return nil
    end
    return ffi.gc(handle, lib["pond_" .. kind .. "_release"])
end

-- Drop the reference now.
function native.drop(kind, handle)
    if handle ~= nil then
        lib["pond_" .. kind .. "_release"](ffi.gc(handle, nil))
    end
end

-- Call a function whose only output, before the error, is a handle: returns it, or nil and an error.
function native.make(kind, name, ...)
    local out = ffi.new("pond_" .. kind .. " *[1]")
    local count = select("#", ...)
    local arguments = { ... }
    arguments[count + 1] = out
    local ok, err = native.call(name, unpack(arguments, 1, count + 1))
    if not ok then
        return nil, err
    end
    return native.own(kind, out[0])
end

return native
