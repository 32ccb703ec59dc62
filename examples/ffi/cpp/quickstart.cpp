// In C++: the handles of the public header as owners, its errors as exceptions.
//
//     quickstart DRIVER DATABASE [KEY=VALUE ...]
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <millpond/millpond.h>

namespace
{

class Error : public std::runtime_error
{
  public:
    Error(int code, pond_error *details)
        : std::runtime_error(details ? pond_error_message(details) : pond_error_text(code)),
          code(code)
    {
        pond_error_free(details);
    }

    const int code;
};

// Call a function of the library with its arguments but the last, the pond_error **.
template <typename... Parameters, typename... Arguments>
void call(int (*function)(Parameters...), Arguments... arguments)
{
    pond_error *details = nullptr;
    if (int code = function(arguments..., &details))
        throw Error(code, details);
}

template <auto release> struct Releaser {
    template <typename Handle> void operator()(Handle *handle) const
    {
        release(handle);
    }
};

using Config = std::unique_ptr<pond_config, Releaser<pond_config_release>>;
using Pool = std::unique_ptr<pond_pool, Releaser<pond_pool_release>>;
using Connection = std::unique_ptr<pond_connection, Releaser<pond_connection_release>>;
using Schema = std::unique_ptr<pond_schema, Releaser<pond_schema_release>>;
using Plan = std::unique_ptr<pond_plan, Releaser<pond_plan_release>>;
using Result = std::unique_ptr<pond_result, Releaser<pond_result_release>>;

// A parameter; the text must outlive the call.
struct Value : pond_value {
    Value(int number) : Value(std::int64_t(number))
    {
    }
    Value(std::int64_t number) : pond_value(pond_value_int64(number))
    {
    }
    Value(double number) : pond_value(pond_value_double(number))
    {
    }
    Value(bool flag) : pond_value(pond_value_bool(flag))
    {
    }
    Value(const char *text) : pond_value(pond_value_text(text))
    {
    }
    Value(std::nullptr_t) : pond_value(pond_value_null())
    {
    }
    explicit Value(const pond_value &value) : pond_value(value)
    {
    }

    // Text of another type: bytes, a decimal, JSON; a date, time, timestamp or UUID.
    Value(pond_type type, std::string_view text)
        : pond_value(pond_value_sized(type, text.data(), text.size()))
    {
        if (this->type != std::uint32_t(type))
            call(pond_value_parse, type, text.data(), text.size(), static_cast<pond_value *>(this));
    }
};

std::string text_of(const pond_value &cell)
{
    return {cell.as.text.data, cell.as.text.size};
}

Result execute(pond_connection *connection, const std::string &sql,
               std::initializer_list<Value> values = {}, std::int64_t timeout_ms = -1)
{
    std::vector<pond_value> params(values.begin(), values.end());
    pond_execute_options options{};
    options.struct_size = sizeof(options);
    options.timeout_ms = timeout_ms;
    pond_result *result = nullptr;
    call(pond_connection_execute_wait, connection, sql.data(), sql.size(), params.data(),
         params.size(), &options, &result);
    return Result(result);
}

// A cell by the name of its column; it lives as long as the result.
pond_value cell_of(const Result &result, std::size_t row, const std::string &name)
{
    std::size_t column;
    pond_value cell;
    call(pond_result_column, result.get(), name.c_str(), &column);
    call(pond_result_cell, result.get(), row, column, &cell);
    return cell;
}

// Records of one kind, each with its history.
class Entity
{
  public:
    Entity(pond_pool *pool, pond_connection *connection, std::string name)
        : connection(connection), name(std::move(name))
    {
        pond_schema *handle = nullptr;
        call(pond_pool_schema, pool, &handle);
        schema.reset(handle);
    }

    // Create, or update if the fields have an id; the answer is the whole entity.
    Result save(std::initializer_list<pond_field> fields)
    {
        pond_record record{fields.begin(), fields.size()};
        return run(pond_plan_save, &record);
    }

    // All versions of one entity.
    Result history(const std::string &id)
    {
        return run(pond_plan_history, id.c_str());
    }

  private:
    template <typename Make, typename Argument> Result run(Make make, Argument argument)
    {
        pond_entity_options options = POND_ENTITY_OPTIONS_INIT;
        pond_plan *handle = nullptr;
        options.user_id = "quickstart";
        call(make, schema.get(), name.c_str(), argument, &options, &handle);
        Plan plan(handle);
        call(pond_connection_run_wait, connection, plan.get(), POND_TIMEOUT_DEFAULT);
        return Result(pond_plan_take_result(plan.get()));
    }

    pond_connection *connection;
    std::string name;
    Schema schema;
};

// Commits at the end of a block that went well, else rolls back.
class Transaction
{
  public:
    explicit Transaction(pond_connection *connection) : connection(connection)
    {
        call(pond_connection_transaction_wait, connection, POND_BEGIN, POND_TIMEOUT_DEFAULT);
    }

    Transaction(const Transaction &) = delete;
    Transaction &operator=(const Transaction &) = delete;

    void commit()
    {
        open = false;
        call(pond_connection_transaction_wait, connection, POND_COMMIT, POND_TIMEOUT_DEFAULT);
    }

    ~Transaction()
    {
        if (open)
            pond_connection_transaction_wait(connection, POND_ROLLBACK, POND_TIMEOUT_DEFAULT,
                                             nullptr);
    }

  private:
    pond_connection *connection;
    bool open = true;
};

void stop_in_time(pond_connection *connection)
{
    try {
        execute(connection,
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
                "SELECT count(*) FROM n a, n b, n c, n d", // it would take hours
                {}, 100);
    } catch (const Error &error) {
        if (error.code != POND_ETIMEDOUT)
            throw;
        std::cout << "stopped a statement after 100 ms\n";
    }
}

void work(pond_connection *connection)
{
    std::cout << "connected to " << pond_connection_server_version(connection) << "\n";
    execute(connection, "DROP TABLE IF EXISTS quickstart_users");
    execute(connection, "CREATE TABLE quickstart_users (id integer PRIMARY KEY, name text)");
    Transaction transaction(connection);
    execute(connection, "INSERT INTO quickstart_users VALUES (?, ?)", {1, "Ada"});
    execute(connection, "INSERT INTO quickstart_users VALUES (?, ?)", {2, "Grace"});
    transaction.commit();
    std::cout << "committed\n";
    stop_in_time(connection);
    Result result = execute(connection, "SELECT id, name FROM quickstart_users WHERE id = ?", {2});
    pond_value row[2];
    call(pond_result_row, result.get(), std::size_t(0), row);
    std::cout << "user " << row[0].as.integer << " is " << text_of(row[1]) << "\n";
}

std::string hex_of(const pond_value &cell)
{
    std::string hex;
    for (unsigned char byte : text_of(cell))
        for (int digit : {byte >> 4, byte & 15})
            hex += "0123456789abcdef"[digit];
    return hex;
}

std::string show(const pond_value &value)
{
    char text[POND_VALUE_TEXT];
    std::ostringstream out;
    switch (value.type) {
    case POND_TYPE_NULL:
        return "NULL";
    case POND_TYPE_BOOL:
        return value.as.integer ? "true" : "false";
    case POND_TYPE_INT64:
        return std::to_string(value.as.integer);
    case POND_TYPE_DOUBLE:
        out << value.as.real;
        return out.str();
    case POND_TYPE_DECIMAL:
    case POND_TYPE_TEXT:
    case POND_TYPE_JSON:
        return text_of(value);
    case POND_TYPE_BYTES:
        return hex_of(value);
    case POND_TYPE_ARRAY:
        for (std::size_t i = 0; i < value.as.array.count; i++)
            out << (i ? ", " : "[") << show(value.as.array.items[i]);
        return out.str() + "]";
    default: // dates, times, intervals and UUIDs
        call(pond_value_format, &value, &text[0]);
        return text;
    }
}

std::string show_row(const Result &result)
{
    std::vector<pond_value> row(pond_result_column_count(result.get()));
    std::string line;
    call(pond_result_row, result.get(), std::size_t(0), row.data());
    for (const pond_value &cell : row)
        line += (line.empty() ? "" : " | ") + show(cell);
    return line;
}

// Every type, there and back.
void use_values(pond_connection *connection, bool postgres)
{
    execute(connection, "DROP TABLE IF EXISTS quickstart_values");
    execute(connection,
            "CREATE TABLE quickstart_values (flag boolean, big bigint, half double precision, "
            "price decimal(10, 2), name text, data " +
                std::string(postgres ? "bytea" : "blob") +
                ", day date, moment timestamp NULL, missing text)");
    execute(connection, "INSERT INTO quickstart_values VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            {true, std::int64_t(9007199254740993), 2.5, Value(POND_TYPE_DECIMAL, "12.50"),
             "Ada \u2713", Value(POND_TYPE_BYTES, {"\0\1\xff", 3}),
             Value(POND_TYPE_DATE, "2026-01-02"), Value(POND_TYPE_TIMESTAMP, "2026-01-02 03:04:05"),
             nullptr});
    std::cout << "values: " << show_row(execute(connection, "SELECT * FROM quickstart_values"))
              << "\n";
    if (!postgres)
        return;
    const pond_value items[] = {Value(1), Value(nullptr), Value(3)};
    pond_value array{};
    array.type = POND_TYPE_ARRAY;
    array.as.array = {items, 3};
    Result others = execute(
        connection,
        "SELECT CAST(? AS uuid), CAST(? AS json), interval '14 months 3 days 1.5 s', "
        "CAST(? AS integer[]), CAST(? AS time), CAST(? AS timestamptz)",
        {Value(POND_TYPE_UUID, "12345678-9abc-def0-1234-56789abcdef0"),
         Value(POND_TYPE_JSON, R"({"a":1})"), Value(array), Value(POND_TYPE_TIME, "23:59:59.5"),
         Value(POND_TYPE_TIMESTAMPTZ, "2026-01-02 03:04:05Z")});
    std::cout << "and: " << show_row(others) << "\n";
}

void use_entity(pond_pool *pool, pond_connection *connection)
{
    Entity people(pool, connection, "quickstart_person");
    Result first = people.save({{"name", nullptr, Value("Ada Byron")}});
    pond_value id = cell_of(first, 0, "id");
    people.save({{"id", nullptr, id}, {"name", nullptr, Value("Ada Lovelace")}});
    Result history = people.history(text_of(id));
    for (std::size_t i = 0; i < pond_result_row_count(history.get()); i++)
        std::cout << "version " << cell_of(history, i, "version").as.integer << " is "
                  << text_of(cell_of(history, i, "name")) << "\n";
}

void set(pond_config *config, const std::string &setting)
{
    auto equals = setting.find('=');
    if (equals == std::string::npos)
        throw std::invalid_argument("\"" + setting + "\" is not KEY=VALUE");
    call(pond_config_set, config, setting.substr(0, equals).c_str(),
         setting.substr(equals + 1).c_str());
}

void run(const std::vector<std::string> &arguments)
{
    pond_config *config_handle = nullptr;
    pond_pool *pool_handle = nullptr;
    pond_connection *connection_handle = nullptr;
    call(pond_config_new, arguments.at(0).c_str(), &config_handle);
    Config config(config_handle);
    set(config.get(), "database=" + arguments.at(1));
    for (std::size_t i = 2; i < arguments.size(); i++)
        set(config.get(), arguments[i]);
    call(pond_pool_open, config.get(), &pool_handle);
    Pool pool(pool_handle);
    call(pond_pool_acquire_wait, pool.get(), nullptr, POND_TIMEOUT_DEFAULT, &connection_handle);
    Connection connection(connection_handle);
    work(connection.get());
    use_values(connection.get(), pond_config_driver(config.get()) == std::string("postgres"));
    use_entity(pool.get(), connection.get());
    call(pond_connection_give_back, connection.get());
    call(pond_pool_close_wait, pool.get(), std::int64_t(30000));
    std::cout << "pool closed\n";
}

} // namespace

int main(int argc, char **argv)
{
    try {
        run({argv + 1, argv + argc});
        return 0;
    } catch (const std::exception &error) {
        std::cerr << "quickstart: " << error.what() << "\n";
        return 1;
    }
}
