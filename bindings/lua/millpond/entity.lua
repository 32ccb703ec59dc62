-- Entities: records in ordinary tables that get their columns as fields are first saved, with a full
-- history of every change. Connections of the library and of backends in Lua have these methods.

local core = require "millpond.core"

local null = core.null

local entity = {}

---@class millpond.EntityOptions
---@field user_id? string who does it, for the history
---@field comment? string for the history
---@field expected_version? integer fail with "EVERSION" if the row's version is another; 0: no row
---@field where? string a condition on columns, with ? for params: "[age] > ?"
---@field params? any[]
---@field order_by? string "name, age DESC NULLS LAST"; nil: by id
---@field limit? integer at most so many rows
---@field offset? integer after so many
---@field include_deleted? boolean rows that are marked as deleted count, too
---@field permanent? boolean delete the row itself, not only mark it
---@field deserialize? boolean values by their types; else plain scalars, times as ISO 8601 text
---@field null_as_nil? boolean fields that are NULL are missing, instead of millpond.null
---@field on_error? string where deserialize fails: "raise" (the default), "plain" (as stored), "skip" (no row)
---@field timeout? number seconds for the whole call

local known = {}
for name in ([[user_id comment expected_version where params order_by limit offset include_deleted
  permanent deserialize null_as_nil on_error timeout]]):gmatch("%S+") do
  known[name] = true
end

---- JSON as it was read ----------------------------------------------------------------------

-- A string is text, even if it looks like JSON. The JSON texts in the rows of a read without
-- deserialize are remembered with the row: saved with it unchanged, they are the JSON they were.
local stored = setmetatable({}, { __mode = "k" }) -- row -> field -> { text, type }

core.hooks.note_stored = function(row, field, text, type)
  local fields = stored[row]
  if not fields then
    fields = {}
    stored[row] = fields
  end
  fields[field] = { text, type }
end

---- Types of the program's own ---------------------------------------------------------------

local by_metatable, by_name = {}, {}

local taken = {}
for name in ([[bool int float decimal text bytes datetime datetimetz date time uuid json dict list
  tuple set frozenset]]):gmatch("%S+") do
  taken[name] = true
end

local function check_type_name(name)
  if type(name) ~= "string" or #name > 120 or not name:find("^%l[%w_.-]*$") then
    error("the name of a type begins with a lower-case letter, has only letters, digits and _ . -, "
      .. "and at most 120 bytes", 3)
  end
  if taken[name] then
    error(("the name %s is reserved for a type of the library"):format(name), 3)
  end
end

--- Let entities have values of a type of the program's own: those with a metatable. A name that is
--- registered again stands for the newer type.
---@param name string of the type: a lower-case letter, then letters, digits and _ . -
---@param metatable table
---@param serialize fun(value: any): any to a value that a database takes
---@param deserialize fun(value: any): any back, where deserialize = true
function entity.register_serializer(name, metatable, serialize, deserialize)
  check_type_name(name)
  local serializer = { name = name, serialize = serialize, deserialize = deserialize }
  by_metatable[metatable] = serializer
  by_name[name] = serializer
end

-- What to send for a field in place of its value, and the name of its type; nil for as it is.
local function replacement(value, read)
  if read and read[1] == value then
    return core.stored_json(value), read[2] ~= "json" and read[2] or nil
  end
  local serializer = type(value) == "table" and by_metatable[getmetatable(value)]
  if serializer then
    return serializer.serialize(value), serializer.name
  end
end

-- The record as databases take it, and the names of the types of its fields, if any has its own.
local function serialize(record)
  local whole, types
  if type(record) ~= "table" then
    return record
  end
  local read = stored[record]
  if not read and not next(by_metatable) then
    return record
  end
  for name, value in pairs(record) do
    local made, kind = replacement(value, read and read[name])
    if made ~= nil then
      whole, types = whole or {}, types or {}
      whole[name], types[name] = made, kind
    end
  end
  if not whole then
    return record
  end
  for name, value in pairs(record) do
    if whole[name] == nil then
      whole[name] = value
    end
  end
  return whole, types
end

local function unreadable(name, row, column, why)
  local err = core.error("EDATA", ('the field "%s" of %s "%s" cannot be read: %s: pass on_error = '
    .. '"plain" or "skip"'):format(column, name, tostring(row.id), tostring(why)))
  err.entity_name, err.entity_id, err.field = name, row.id, column
  return err
end

-- Of one row: true, or nil and an error object. With on_error = "plain" what cannot be read stays.
local function deserialize_row(row, serializers, name, on_error)
  for column, serializer in pairs(serializers) do
    if row[column] ~= null then
      local ok, made = pcall(serializer.deserialize, row[column])
      if ok then
        row[column] = made
      elseif on_error ~= "plain" then
        return nil, unreadable(name, row, column, made)
      end
    end
  end
  return true
end

local function deserialize(rows, types, name, on_error)
  local serializers = {}
  for column, kind in pairs(types) do
    serializers[column] = by_name[kind]
  end
  if not next(serializers) then
    return rows
  end
  local kept = { columns = rows.columns, rowcount = rows.rowcount }
  for _, row in ipairs(rows) do
    local ok, err = deserialize_row(row, serializers, name, on_error)
    if ok then
      kept[#kept + 1] = row
    elseif on_error ~= "skip" then
      return nil, err
    end
  end
  return kept
end

---- Calls ------------------------------------------------------------------------------------

-- Parameters as a program writes them; what may be private is left out.
local function written(params)
  local texts = {}
  for i, value in ipairs(type(params) == "table" and params or { params }) do
    texts[i] = type(value) == "number" and tostring(value) or "..."
  end
  return table.concat(texts, ", ")
end

-- A condition, or its parameters, that stand beside the table of options and not in it.
local function refuse_condition(method, name, where, params)
  local condition = type(where) == "string" and where or where and where.where
  core.complain(("%s takes its condition in a table: %s(%q, { where = %q, params = { %s } })"):format(
    method, method, tostring(name), condition or "...", written(params)))
end

local function check(kind, name, options, params)
  local method = core.entity_calls[kind]
  if kind == "find" or kind == "count" then
    if type(options) == "string" or params ~= nil and (options == nil or type(options) == "table") then
      refuse_condition(method, name, options, params)
    end
  end
  if type(options) ~= "table" then
    core.complain(("the options of %s are a table such as { timeout = 5 }, not a %s"):format(method,
      type(options)))
  end
  for option in pairs(options) do
    if not known[option] then
      core.complain(("there is no option %s for entities"):format(tostring(option)))
    end
  end
  local on_error = options.on_error
  if on_error ~= nil and on_error ~= "raise" and on_error ~= "plain" and on_error ~= "skip" then
    core.complain('on_error must be "raise", "plain" or "skip"')
  end
end

-- Make a plan and run it: the plan with its answer, or nil and an error object.
local function run(connection, kind, name, subject, options, more, params)
  if options ~= nil or params ~= nil then
    check(kind, name, options, params)
  end
  options = options or {}
  local all = options
  if more then
    all = setmetatable(more, { __index = options })
  end
  local plan, err = core.plan(kind, connection:_schema(), name, subject, all)
  if not plan then
    return nil, err
  end
  local ok, failed = connection:_run(plan, options.timeout)
  if not ok then
    return nil, failed
  end
  return plan
end

local function drop_nulls(rows)
  for _, row in ipairs(rows) do
    for field, value in pairs(row) do
      if value == null then
        row[field] = nil
      end
    end
  end
end

local function rows_of(name, options, plan, err)
  if not plan then
    return nil, err
  end
  local rows, types = plan:rows()
  if not rows then
    return nil, types
  end
  if options and options.deserialize then
    rows, err = deserialize(rows, types, name, options.on_error)
  end
  if rows and options and options.null_as_nil then
    drop_nulls(rows)
  end
  return rows, err
end

local function first_of(rows, err)
  return rows and rows[1], err
end

local function truth_of(plan, err)
  if not plan then
    return nil, err
  end
  return plan:number() == 1
end

---@class millpond.Connection
local methods = {}

--- Create or update an entity: adds id and the other fields that the library keeps; of one that
--- exists only the given fields change. Adds to the history.
---@param name string of the entity
---@param record table fields by name; NULL is millpond.null
---@param options? millpond.EntityOptions user_id, comment, expected_version, deserialize
---@return table? entity all its fields
---@return millpond.Error? err
function methods:save_entity(name, record, options)
  local plain, types = serialize(record)
  local how = { on_error = "plain" } -- it is saved
  if type(options) == "table" then
    how.deserialize, how.null_as_nil = options.deserialize, options.null_as_nil
  end
  return first_of(rows_of(name, how, run(self, "save", name, plain, options, { types = types })))
end

--- Create or update many, each with fields of its own: all or none.
---@param name string
---@param records table[]
---@param options? millpond.EntityOptions user_id, comment
---@return string[]? ids in the order given
---@return millpond.Error? err
function methods:save_entities(name, records, options)
  local plain, types = {}, {}
  if type(records) ~= "table" then
    core.complain("records must be a list such as {{ name = \"Ada\" }}, not a " .. type(records))
  end
  for i, record in ipairs(records) do
    local own
    plain[i], own = serialize(record)
    types[i] = own or {}
  end
  local rows, err = rows_of(name, nil, run(self, "save_many", name, plain, options, { types = types }))
  if not rows then
    return nil, err
  end
  local ids = {}
  for i, row in ipairs(rows) do
    ids[i] = row.id
  end
  return ids
end

--- An entity by its id; nil, without an error, if there is none.
---@param name string
---@param id string
---@param options? millpond.EntityOptions include_deleted, deserialize
---@return table? entity
---@return millpond.Error? err
function methods:get_entity(name, id, options)
  return first_of(rows_of(name, options, run(self, "get", name, id, options)))
end

--- Those that exist of these ids, in no particular order.
---@param name string
---@param ids string[]
---@param options? millpond.EntityOptions include_deleted, deserialize
---@return table[]? entities
---@return millpond.Error? err
function methods:get_entities(name, ids, options)
  return rows_of(name, options, run(self, "get_many", name, ids, options))
end

--- Mark an entity as deleted, or delete its row for good.
---@param name string
---@param id string
---@param options? millpond.EntityOptions user_id, comment, expected_version, permanent
---@return boolean? deleted false if there was none
---@return millpond.Error? err
function methods:delete_entity(name, id, options)
  return truth_of(run(self, "delete", name, id, options))
end

--- Take the mark of deletion away.
---@param name string
---@param id string
---@param options? millpond.EntityOptions user_id, comment, expected_version
---@return boolean? restored false if there was none
---@return millpond.Error? err
function methods:restore_entity(name, id, options)
  return truth_of(run(self, "restore", name, id, options))
end

--- Entities that meet a condition.
---@param name string
---@param options? millpond.EntityOptions where, params, order_by, limit, offset, include_deleted, deserialize
---@return table[]? entities
---@return millpond.Error? err
function methods:find_entities(name, options, ...)
  return rows_of(name, options, run(self, "find", name, nil, options, nil, ...))
end

--- How many meet a condition.
---@param name string
---@param options? millpond.EntityOptions where, params, include_deleted
---@return integer? count
---@return millpond.Error? err
function methods:count_entities(name, options, ...)
  local plan, err = run(self, "count", name, nil, options, nil, ...)
  if not plan then
    return nil, err
  end
  return plan:number()
end

--- All versions of an entity, the oldest first, with version, history_timestamp, history_user_id
--- and history_comment.
---@param name string
---@param id string
---@param options? millpond.EntityOptions limit, offset, deserialize
---@return table[]? versions
---@return millpond.Error? err
function methods:get_entity_history(name, id, options)
  return rows_of(name, options, run(self, "history", name, id, options))
end

--- One version of an entity; nil, without an error, if there is none.
---@param name string
---@param id string
---@param version integer
---@param options? millpond.EntityOptions deserialize
---@return table? entity
---@return millpond.Error? err
function methods:get_entity_by_version(name, id, version, options)
  return first_of(rows_of(name, options, run(self, "version", name, id, options, { version = version })))
end

--- What changed from one instant to before another, by time.
---@param name string
---@param from millpond.Value millpond.timestamptz(...)
---@param to millpond.Value
---@param id? string nil: of all entities
---@param options? millpond.EntityOptions limit, offset, deserialize
---@return table[]? versions
---@return millpond.Error? err
function methods:get_entity_history_between(name, from, to, id, options)
  return rows_of(name, options, run(self, "between", name, id, options,
    { from_us = from.microseconds, to_us = to.microseconds }))
end

--- The names of the database's entities, in order.
---@return string[]? names
---@return millpond.Error? err
function methods:list_entities()
  local rows, err = rows_of(nil, nil, run(self, "list"))
  if not rows then
    return nil, err
  end
  local names = {}
  for i, row in ipairs(rows) do
    names[i] = row.name
  end
  return names
end

---- Who has them -----------------------------------------------------------------------------

--- Give a class of connections these methods. It must have _schema() and _run(plan, timeout).
---@param class table
function entity.install(class)
  for name, method in pairs(methods) do
    class[name] = method
  end
end

local schemas = setmetatable({}, { __mode = "k" }) -- by pool

local native = core.connection_methods

function native:_schema()
  local pool = self:_pool()
  local schema = schemas[pool]
  if not schema then
    schema = core.schema(pool)
    schemas[pool] = schema
  end
  return schema
end

entity.install(native)

return entity
