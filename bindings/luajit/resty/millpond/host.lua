-- Waiting for operations without blocking the thread: as light threads of nginx, or as coroutines.
--
-- One loop of the library serves all of a Lua state. In nginx a timer's light thread drives it: the
-- library writes a byte to a socket when there is something to do, and the light thread reads it as
-- any cosocket is read. Elsewhere run() does, with poll().
local ffi = require("ffi")
local native = require("resty.millpond.native")

-- By names of its own: other modules may declare these, too.
if not pcall(ffi.typeof, "millpond_pollfd") then
    ffi.cdef([[
typedef struct { int fd; short events; short revents; } millpond_pollfd;
typedef struct { unsigned short family; char path[108]; } millpond_address;
int millpond_poll(millpond_pollfd *descriptors, unsigned long count, int timeout) asm("poll");
int millpond_socket(int domain, int type, int protocol) asm("socket");
int millpond_bind(int fd, const millpond_address *address, unsigned size) asm("bind");
int millpond_listen(int fd, int backlog) asm("listen");
int millpond_accept(int fd, void *address, void *size) asm("accept");
long millpond_send(int fd, const char *bytes, size_t count, int flags) asm("send");
int millpond_close(int fd) asm("close");
int millpond_unlink(const char *path) asm("unlink");
int millpond_getpid(void) asm("getpid");
]])
end

local C, lib, call = ffi.C, native.lib, native.call
local host = {}
local waiting, last_id = {}, 0
local loop

local function the_loop()
    if loop then
        return loop
    end
    local err
    loop, err = native.make("loop", "pond_loop_new")
    return loop, err
end

-- The loop to submit to; or nil and an error.
host.loop = the_loop

-- Give every operation that has completed to who waits for it.
local function deliver()
    local op = lib.pond_loop_next(loop)
    while op ~= nil do
        local id = tonumber(ffi.cast("intptr_t", lib.pond_op_user_data(op)))
        local wake = waiting[id]
        waiting[id] = nil
        native.own("op", op)
        if wake then
            wake(op)
        end
        op = lib.pond_loop_next(loop)
    end
end

-- What an operation produced: a result or a connection, or true; or nil and an error.
local function outcome(op)
    local code = lib.pond_op_status(op)
    if code < 0 then
        return nil, native.error_of(code, lib.pond_op_take_error(op))
    end
    local got = native.own("connection", lib.pond_op_take_connection(op))
        or native.own("result", lib.pond_op_take_result(op))
    native.drop("op", op)
    return got or true
end

-- Nobody else runs: this blocks the thread.
local function wait_alone(_, id)
    local completed
    waiting[id] = function(done)
        completed = done
    end
    while not completed do
        lib.pond_loop_run(loop, -1, nil)
        deliver()
    end
    return completed
end

-- ---- In nginx -----------------------------------------------------------------------------------

local driving = false

-- Both ends of a connection to ourselves: a cosocket, and a descriptor.
local function connect_to_self()
    local AF_UNIX, SOCK_STREAM_CLOEXEC = 1, 0x80001
    local path = string.format("%s/millpond-%d-%d.sock", os.getenv("TMPDIR") or "/tmp",
        C.millpond_getpid(), math.random(2 ^ 31))
    local listener = C.millpond_socket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0)
    local address = ffi.new("millpond_address", AF_UNIX, path)
    if listener < 0 or C.millpond_bind(listener, address, ffi.sizeof(address)) ~= 0
        or C.millpond_listen(listener, 1) ~= 0 then
        error("no socket can be made in " .. path)
    end
    local socket = ngx.socket.tcp()
    local ok, err = socket:connect("unix:" .. path)
    local fd = ok and C.millpond_accept(listener, nil, nil) or -1
    C.millpond_close(listener)
    C.millpond_unlink(path)
    if fd < 0 then
        error("no socket can be made in " .. path .. ": " .. tostring(err))
    end
    return socket, fd
end

local drive_later
host.turns = 10000 -- then anew: what a light thread of nginx uses grows as long as it runs
host.idle = 10 -- seconds without work, after which it ends

-- Every second: has the light thread been idle for long, or does nginx exit? A byte tells it. (A read
-- that times out would do, too, but nginx logs it as an error.)
local function watch(premature, fd, state)
    if state.ended then
        return
    end
    state.idle = (state.worked or next(waiting)) and 0 or state.idle + 1
    state.worked = false
    state.stop = premature or state.idle >= host.idle
    if state.stop or not ngx.timer.at(1, watch, fd, state) then
        state.stop = true
        C.millpond_send(fd, "w", 1, 0)
    end
end

local function drive_with(socket, state)
    local turn = 0
    socket:settimeout(2 ^ 31 - 1)
    while turn < host.turns or ngx.worker.exiting() do
        turn = turn + 1
        lib.pond_loop_run_nowait(loop, nil)
        deliver()
        if state.stop and not next(waiting) then
            return
        end
        assert(socket:receive(1))
        state.worked = true
    end
end

-- A light thread of its own, as long as anybody waits and a little longer.
local function drive(premature)
    local state = { idle = 0, stop = premature }
    local ok, err = pcall(function()
        local socket, fd = connect_to_self()
        assert(call("pond_loop_set_wake_fd", loop, fd))
        watch(premature, fd, state)
        local fine, problem = pcall(drive_with, socket, state)
        state.ended = true
        call("pond_loop_set_wake_fd", loop, -1)
        C.millpond_close(fd)
        socket:close()
        assert(fine, problem)
    end)
    driving = false
    if not ok then
        ngx.log(ngx.ERR, "millpond: ", tostring(err))
    end
    if next(waiting) and not drive_later(ok and 0 or 1) then
        while next(waiting) do -- nginx exits: what was begun is brought to its end
            lib.pond_loop_run(loop, -1, nil)
            deliver()
        end
    end
end

function drive_later(seconds)
    driving = true
    if not ngx.timer.at(seconds, drive) then
        driving = false
    end
    return driving
end

local function wait_in_nginx(_, id)
    local semaphore = require("ngx.semaphore").new()
    local completed
    waiting[id] = function(done)
        completed = done
        semaphore:post(1)
    end
    if not driving and not drive_later(0) then -- nginx exits, and takes no timers any more
        return wait_alone(nil, id)
    end
    while not completed do
        semaphore:wait(60)
    end
    return completed
end

-- ---- Elsewhere ----------------------------------------------------------------------------------

local running = false

local function wait_in_coroutine(_, id)
    local me = coroutine.running()
    local completed
    waiting[id] = function(done)
        completed = done
        host.resume(me)
    end
    while not completed do
        coroutine.yield(host)
    end
    return completed
end

local failure

function host.resume(thread, ...)
    local ok, problem = coroutine.resume(thread, ...)
    if not ok and not failure then
        failure = { problem }
    end
end

-- Run functions at once, as coroutines in which calls wait for each other; returns when all have
-- ended, and raises the first error.
function host.run(functions)
    assert(not running, "run() is running already: call the functions, or make coroutines")
    assert(not ngx, "nginx runs light threads itself: see ngx.thread.spawn")
    assert(the_loop())
    running, failure = true, nil
    local threads = {}
    for i, body in ipairs(functions) do
        threads[i] = coroutine.create(body)
        host.resume(threads[i])
    end
    local descriptor = ffi.new("millpond_pollfd", lib.pond_loop_fd(loop), 1)
    while next(waiting) do
        C.millpond_poll(descriptor, 1, lib.pond_loop_timeout_ms(loop))
        lib.pond_loop_run_nowait(loop, nil)
        deliver()
    end
    running = false
    if failure then
        error(failure[1], 0)
    end
end

-- ---- Both ---------------------------------------------------------------------------------------

local function chosen()
    if ngx then
        return wait_in_nginx
    end
    return running and coroutine.running() and wait_in_coroutine or wait_alone
end

-- Call a function that submits an operation, without its last three parameters, and wait for what it
-- produces; or nil and an error.
function host.submit(name, ...)
    local out = ffi.new("pond_op *[1]")
    local count = select("#", ...)
    local arguments = { ... }
    last_id = last_id + 1
    local id = last_id
    arguments[count + 1], arguments[count + 2] = ffi.cast("void *", id), out
    local ok, err = call(name, unpack(arguments, 1, count + 2))
    if not ok then
        return nil, err
    end
    local op = native.own("op", out[0])
    local completed = chosen()(op, id)
    native.drop("op", op)
    return outcome(completed)
end

return host
