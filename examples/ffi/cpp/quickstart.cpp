// In C++: the handles of the public header as owners, its errors as exceptions.
//
//     quickstart DRIVER DATABASE [KEY=VALUE ...]
#include <cstdint>
#include <initializer_list>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
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
    Value(std::int64_t number) : pond_value{}
    {
        type = POND_TYPE_INT64;
        as.integer = number;
    }

    Value(const char *text) : pond_value{}
    {
        type = POND_TYPE_TEXT;
        as.text.data = text;
        as.text.size = std::char_traits<char>::length(text);
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
    std::vector<pond_value> cells(pond_result_column_count(result.get()));
    call(pond_result_row, result.get(), row, cells.data());
    for (std::size_t i = 0; i < cells.size(); i++)
        if (name == pond_result_column_name(result.get(), i))
            return cells[i];
    throw std::out_of_range("no column " + name);
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
                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                "SELECT count(*) FROM n",
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
