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
---@field timeout? number seconds for the whole call

local known = {}
for name in ([[user_id comment expected_version where params order_by limit offset include_deleted
  permanent deserialize null_as_nil timeout]]):gmatch("%S+") do
  known[name] = true
end

---- Types of the program's own ---------------------------------------------------------------

local by_metatable, by_name = {}, {}

--- Let entities have values of a type of the program's own: those with a metatable.
---@param name string of the type, lower-case letters first; it is kept with the field
---@param metatable table
---@param serialize fun(value: any): any to a value that a database takes
---@param deserialize fun(value: any): any back, where deserialize = true
function entity.register_serializer(name, metatable, serialize, deserialize)
  if type(name) ~= "string" or not name:find("^%l") then
    error("the name of a type begins with a lower-case letter", 2)
  end
  local serializer = { name = name, serialize = serialize, deserialize = deserialize }
  by_metatable[metatable] = serializer
  by_name[name] = serializer
end

-- The record as databases take it, and the names of the types of its fields, if any has its own.
local function serialize(record)
  local copy, types
  if type(record) == "table" and next(by_metatable) then
    for name, value in pairs(record) do
      local serializer = type(value) == "table" and by_metatable[getmetatable(value)]
      if serializer then
        copy = copy or setmetatable({}, { __index = record })
        types = types or {}
        rawset(copy, name, serializer.serialize(value))
        types[name] = serializer.name
      end
    end
  end
  if not copy then
    return record
  end
  local whole = {}
  for name in pairs(record) do
    whole[name] = copy[name]
  end
  return whole, types
end

local function deserialize(rows, types)
  for column, name in pairs(types) do
    local serializer = by_name[name]
    if serializer then
      for _, row in ipairs(rows) do
        if row[column] ~= null then
          row[column] = serializer.deserialize(row[column])
        end
      end
    end
  end
end

---- Calls ------------------------------------------------------------------------------------

local METHODS = {
  save = "save_entity", save_many = "save_entities", get = "get_entity", get_many = "get_entities",
  delete = "delete_entity", restore = "restore_entity", find = "find_entities",
  count = "count_entities", history = "get_entity_history", version = "get_entity_by_version",
  between = "get_entity_changes", list = "list_entities",
}

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
  local method = METHODS[kind]
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

local function rows_of(options, plan, err)
  if not plan then
    return nil, err
  end
  local rows, types = plan:rows()
  if not rows then
    return nil, types
  end
  if options and options.deserialize then
    deserialize(rows, types)
  end
  if options and options.null_as_nil then
    drop_nulls(rows)
  end
  return rows
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
  return first_of(rows_of(options, run(self, "save", name, plain, options, { types = types })))
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
  local rows, err = rows_of(nil, run(self, "save_many", name, plain, options, { types = types }))
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
  return first_of(rows_of(options, run(self, "get", name, id, options)))
end

--- Those that exist of these ids, in no particular order.
---@param name string
---@param ids string[]
---@param options? millpond.EntityOptions include_deleted, deserialize
---@return table[]? entities
---@return millpond.Error? err
function methods:get_entities(name, ids, options)
  return rows_of(options, run(self, "get_many", name, ids, options))
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
  return rows_of(options, run(self, "find", name, nil, options, nil, ...))
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
  return rows_of(options, run(self, "history", name, id, options))
end

--- One version of an entity; nil, without an error, if there is none.
---@param name string
---@param id string
---@param version integer
---@param options? millpond.EntityOptions deserialize
---@return table? entity
---@return millpond.Error? err
function methods:get_entity_by_version(name, id, version, options)
  return first_of(rows_of(options, run(self, "version", name, id, options, { version = version })))
end

--- What changed from one instant to before another, by time.
---@param name string
---@param from millpond.Value millpond.timestamptz(...)
---@param to millpond.Value
---@param id? string nil: of all entities
---@param options? millpond.EntityOptions limit, offset, deserialize
---@return table[]? versions
---@return millpond.Error? err
function methods:get_entity_changes(name, from, to, id, options)
  return rows_of(options, run(self, "between", name, id, options,
    { from_us = from.microseconds, to_us = to.microseconds }))
end

--- The names of the database's entities, in order.
---@return string[]? names
---@return millpond.Error? err
function methods:list_entities()
  local rows, err = rows_of(nil, run(self, "list"))
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
