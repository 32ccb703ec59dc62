-- What Lua has no type for: dates, decimals, JSON, arrays.

local millpond = require "millpond"
local json = require "millpond.json"
local support = require("tests.lua.support")(_ENV)

describe("Dates and times", function()
  it("are read from text, and from tables like os.date's", function()
    assert.are.equal("2024-02-29", tostring(millpond.date("2024-02-29")))
    assert.are.equal(millpond.date("2024-02-29"), millpond.date { year = 2024, month = 2, day = 29 })
    assert.are.equal("23:59:59.500000", tostring(millpond.time("23:59:59.5")))
    assert.are.equal(millpond.time("23:59"), millpond.time { hour = 23, min = 59 })
    assert.are.equal("12:00:00-05:30", tostring(millpond.time("12:00:00-05:30")))
    assert.are.equal("2026-01-02 03:04:05.000006",
      tostring(millpond.timestamp("2026-01-02T03:04:05.000006")))
    assert.are.equal("2026-01-02 00:00:00", tostring(millpond.timestamp("2026-01-02")))
    local now = os.time()
    assert.are.equal(millpond.timestamptz(now), millpond.timestamptz(os.date("!*t", now)))
    assert.are.equal(millpond.timestamptz("2026-01-02 03:04:05+02:00"),
      millpond.timestamptz("2026-01-02T01:04:05Z"))
    assert.are.equal(500000, millpond.timestamptz(0.5).usec)
  end)

  it("have fields, and an order", function()
    local at = millpond.timestamp("2026-01-02 03:04:05.000006")
    assert.are.same({ "timestamp", 2026, 1, 2, 3, 4, 5, 6 },
      { at.type, at.year, at.month, at.day, at.hour, at.min, at.sec, at.usec })
    assert.is_nil(at.offset)
    assert.is_true(at < millpond.timestamp("2026-01-03"))
    assert.is_true(millpond.date("2026-01-01") <= millpond.date("2026-01-01"))
    assert.are_not.equal(millpond.date("2026-01-01"), millpond.timestamp("2026-01-01"))
    assert.has_error(function() return millpond.date("2026-01-01") < at end)
    assert.are.equal("on 2026-01-01", "on " .. millpond.date("2026-01-01"))
    local span = millpond.interval { months = -14, days = 3, microseconds = -1500000 }
    assert.are.same({ -14, 3, -1500000 }, { span.months, span.days, span.microseconds })
    assert.are.equal("P-14M3DT-1.500000S", tostring(span))
  end)

  it("that do not exist are refused", function()
    for _, text in ipairs { "2023-02-29", "2024-13-01", "0000-01-01", "today", "", "2024-02-29x",
      "2024-2-9" } do
      assert.has_error(function() millpond.date(text) end)
      assert.has_error(function() millpond.timestamp(text) end)
    end
    for _, text in ipairs { "24:00:00", "12:60:00", "12", "12:00:00.1234567", "2024-01-01" } do
      assert.has_error(function() millpond.time(text) end)
    end
    assert.has_error(function() millpond.timestamptz("2026-01-01 10:00:00") end)
    assert.has_error(function() millpond.timestamp("2026-01-01 10:00:00Z") end)
    assert.has_error(function() millpond.date { year = 2024, month = 2 } end)
    assert.has_error(function() millpond.date { year = 2024, month = 2, day = 1.5 } end)
    assert.has_error(function() millpond.timestamptz(0 / 0) end)
  end)

  it("count days as the calendar does", function()
    local previous
    for year = 1, 9999, 97 do
      for month = 1, 12 do
        local one = millpond.date { year = year, month = month, day = 1 }
        assert.are.same({ year, month, 1 }, { one.year, one.month, one.day })
        assert.is_true(not previous or previous < one)
        previous = one
      end
    end
    assert.are.equal(0, millpond.date("1970-01-01").days)
    assert.are.equal(19782, millpond.date("2024-02-29").days)
  end)
end)

describe("Decimals", function()
  it("are exact, equal and ordered by value", function()
    local exact = "-12345678901234567890123456789.012345678"
    assert.are.equal(exact, tostring(millpond.decimal(exact)))
    local equal = { { "1", "1.0" }, { "1.50", "15e-1" }, { "0", "-0.00" }, { "100", "1E2" },
      { "0.001", "1e-3" }, { "NaN", "nan" }, { "12.34", "0012.340" } }
    for _, pair in ipairs(equal) do
      assert.are.equal(millpond.decimal(pair[1]), millpond.decimal(pair[2]))
    end
    local ascending = { "-Infinity", "-10", "-9.5", "-0.01", "0", "0.009", "0.01", "9.99", "10",
      "10.000000000000000000000000000001", "1e30", "Infinity", "NaN" }
    for i = 2, #ascending do
      assert.is_true(millpond.decimal(ascending[i - 1]) < millpond.decimal(ascending[i]))
      assert.is_false(millpond.decimal(ascending[i]) <= millpond.decimal(ascending[i - 1]))
    end
    assert.are.equal(12.5, millpond.decimal("12.50").number)
    assert.are.equal("9007199254740993", tostring(millpond.decimal(9007199254740993)))
  end)

  it("are not made of floats or of what is no number", function()
    assert.has_error(function() millpond.decimal(0.1) end)
    for _, text in ipairs { "", ".", "1.2.3", "1e", "0x10", "1 ", "--1" } do
      assert.has_error(function() millpond.decimal(text) end)
    end
  end)
end)

describe("UUIDs", function()
  it("are read with and without dashes", function()
    local text = "12345678-9abc-def0-1234-56789abcdef0"
    assert.are.equal(text, tostring(millpond.uuid(text)))
    assert.are.equal(millpond.uuid(text), millpond.uuid((text:gsub("-", ""):upper())))
    for _, wrong in ipairs { "", text .. "0", text:sub(2), "g" .. text:sub(2) } do
      assert.has_error(function() millpond.uuid(wrong) end)
    end
  end)
end)

describe("JSON", function()
  it("is written and read, arrays and objects apart", function()
    for _, text in ipairs { '{"a":[1,2.5,null,"\\u0001"],"b":{}}', "[]", "{}", '"x"', "true",
      "false", "null", "-7", "1e+300", '{"a":{"b":[[],{}]}}', "9223372036854775807" } do
      assert.are.equal(text, json.encode(json.decode(text)))
    end
    assert.are.equal(math.mininteger, json.decode(tostring(math.mininteger)))
    assert.are.equal("é😀/", json.decode('"\\u00e9\\ud83d\\ude00\\/"'))
    assert.are.equal('{"at":"2026-01-01","n":"1.50"}', json.encode {
      at = millpond.date("2026-01-01"), n = millpond.decimal("1.50") })
    assert.are.equal('{"raw":[1]}', json.encode { raw = millpond.json { 1 } })
  end)

  it("that is none stays text", function()
    for _, text in ipairs { "", "{", "[1,]", "{a:1}", "nul", '"a', "1 2", '{"a" 1}', ("["):rep(150) } do
      assert.are.equal(text, json.decode(text))
    end
  end)

  it("has exact numbers, and floats of as few digits as read back", function()
    local digits = ("9"):rep(5000)
    for _, text in ipairs { "18446744073709551616", "-9223372036854775809", digits, "1e400" } do
      assert.are.equal(millpond.decimal(text), json.decode(text))
    end
    assert.are.equal(digits, tostring(json.decode("[" .. digits .. "]")[1]))
    assert.are.equal("[0.1,1.1,5e-324,0.30000000000000004,1e+22,2.0]",
      (json.encode { 0.1, 1.1, 5e-324, 0.1 + 0.2, 1e22, 2.0 }
        :gsub("4.94065645841247e%-324", "5e-324")))
  end)

  it("that is nested too deeply is an error that says where it is", function()
    local db = support.open("postgres")
    local conn <close> = assert(db:connection())
    local deep = ("["):rep(5000) .. ("]"):rep(5000)
    local rows, err = conn:execute("SELECT 1 AS a, ?::text::json AS doc", { deep })
    assert.is_nil(rows)
    assert.are.same({ "EDATA", "InvalidDataError" }, { err.code, err.class })
    assert.is_truthy(err.message:find('column "doc" of row 0: the JSON is nested deeper', 1, true))
    assert.are.equal(deep, assert(conn:execute("SELECT ?::text::json::text", { deep }))[1][1])
    support.close_all()
  end)

  it("cannot be made of everything", function()
    local ring = {}
    ring.ring = ring
    for _, value in ipairs { print, ring, 0 / 0, math.huge, { [true] = 1 }, io.stdout } do
      assert.has_error(function() json.encode(value) end)
    end
  end)
end)

describe("PostgreSQL", function()
  after_each(support.close_all)

  local cases = {
    { "bool", true }, { "smallint", -32768 }, { "bigint", math.maxinteger },
    { "bigint", math.mininteger }, { "real", 1.5 }, { "double precision", math.huge },
    { "numeric", millpond.decimal("12345678901234567890123456789012345678.000000000010") },
    { "numeric", millpond.decimal("-0.0001") }, { "text", "héllo 😀" },
    { "bytea", millpond.bytes("\0\255"), "\0\255" }, { "date", millpond.date("0001-01-01") },
    { "time", millpond.time("23:59:59.999999") }, { "timetz", millpond.time("01:02:03.000004-05:30") },
    { "timetz", millpond.time("01:02:03+00:00") },
    { "timestamp", millpond.timestamp("9999-12-31 23:59:59.999999") },
    { "timestamptz", millpond.timestamptz("1900-02-28 23:00:00Z") },
    { "interval", millpond.interval { months = 14, days = 2, microseconds = 7 } },
    { "interval", millpond.interval { months = -25, days = 3, microseconds = -3600000001 } },
    { "uuid", millpond.uuid("12345678-9abc-def0-1234-56789abcdef0"),
      "12345678-9abc-def0-1234-56789abcdef0" },
    { "uuid", "12345678-9abc-def0-1234-56789abcdef0" },
    { "jsonb", { a = { b = true } } }, { "integer[]", { 1, millpond.null, 3 } },
    { "integer[]", { { 1, 2 }, { 3, 4 } } }, { "integer[]", millpond.array {} },
    { "text[]", { 'a "b" \\ c', "", "{},", "NULL" } }, { "numeric[]", { millpond.decimal("1.10") } },
    { "interval[]", { millpond.interval { days = 1 } } }, { "boolean[]", { { true }, { millpond.null } } },
    { "jsonb[]", { millpond.json { a = '"}{,' } }, { { a = '"}{,' } } },
  }

  local function assert_same(expected, actual)
    if type(expected) ~= "table" then
      assert(expected == actual, ("%s came back as %s"):format(expected, actual))
      return
    end
    for key, value in pairs(expected) do
      assert_same(value, actual[key])
    end
    assert.are.equal(#expected, #actual)
  end

  for _, prepared in ipairs { true, false } do
    it("keeps values, " .. (prepared and "binary" or "as text"), function()
      local db = support.open("postgres", { prepared_statements = prepared })
      local conn <close> = assert(db:connection())
      for _, case in ipairs(cases) do
        local kind, parameter, shown = case[1], case[2], case[3]
        local sql = ("SELECT ?::%s"):format(kind)
        assert_same(shown == nil and parameter or shown, assert(conn:execute(sql, { parameter }))[1][1])
      end
    end)
  end

  it("tells infinite dates as such", function()
    local db = support.open("postgres")
    local conn <close> = assert(db:connection())
    local row = assert(conn:execute("SELECT 'infinity'::date, '-infinity'::timestamptz"))[1]
    assert.are.same({ "infinity", "-infinity" }, { tostring(row[1]), tostring(row[2]) })
    assert.is_nil(row[1].year)
  end)

  it("refuses what a column cannot hold", function()
    local db = support.open("postgres")
    local conn <close> = assert(db:connection())
    local rows, err = conn:execute("SELECT ?::int4", { 2 ^ 31 | 0 })
    assert.is_nil(rows)
    assert.are.equal("ERANGE", err.code)
  end)
end)
