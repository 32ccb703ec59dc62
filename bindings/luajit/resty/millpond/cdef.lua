-- What the public headers declare. Written by tests/abi/update_cdef.py.
local ffi = require("ffi")

if not pcall(ffi.typeof, "pond_value") then
    ffi.cdef([[
enum { POND_OK = 0, POND_ENOMEM = -1, POND_EINVAL = -2, POND_EMISUSE = -3, POND_ESTALE = -4,
    POND_ECLOSED = -5, POND_EAGAIN = -6, POND_ENOTBUILT = -7, POND_EPARAMS = -8, POND_ERANGE = -9,
    POND_ECONNECT = -10, POND_EAUTH = -11, POND_ECONNLOST = -12, POND_EACQUIRE = -13, POND_ETIMEDOUT
    = -14, POND_ECANCELLED = -15, POND_ESYNTAX = -16, POND_EPROGRAMMING = -17, POND_EINTEGRITY =
    -18, POND_EUNIQUE = -19, POND_EFOREIGNKEY = -20, POND_ENOTNULL = -21, POND_ECHECK = -22,
    POND_EDATA = -23, POND_EOPERATIONAL = -24, POND_EDEADLOCK = -25, POND_ESERIALIZATION = -26,
    POND_EUNKNOWN = -27, POND_EINTERNAL = -28, POND_ENOTSUPPORTED = -29, POND_ETRANSACTION = -30,
    POND_ERESOURCES = -31, POND_EREADONLY = -32, POND_EBUSY = -33, POND_EUNDEFINED = -34,
    POND_ECIRCUITOPEN = -35, POND_EVERSION = -36, POND_PENDING = 1 };
typedef struct pond_error pond_error;
typedef struct pond_config pond_config;
typedef struct pond_loop pond_loop;
typedef struct pond_op pond_op;
typedef struct pond_pool pond_pool;
typedef struct pond_connection pond_connection;
typedef struct pond_result pond_result;
typedef struct pond_breaker pond_breaker;
typedef struct pond_statement_cache pond_statement_cache;
typedef enum pond_type { POND_TYPE_NULL = 0, POND_TYPE_BOOL = 1, POND_TYPE_INT64 = 2,
    POND_TYPE_DOUBLE = 3, POND_TYPE_DECIMAL = 4, POND_TYPE_TEXT = 5, POND_TYPE_BYTES = 6,
    POND_TYPE_DATE = 7, POND_TYPE_TIME = 8, POND_TYPE_TIMESTAMP = 9, POND_TYPE_TIMESTAMPTZ = 10,
    POND_TYPE_INTERVAL = 11, POND_TYPE_UUID = 12, POND_TYPE_JSON = 13, POND_TYPE_ARRAY = 14 }
    pond_type;
typedef struct pond_value {
    uint32_t type;
    int32_t aux;
    union {
        int64_t integer;
        double real;
        struct {
            const char *data;
            size_t size;
        } text;
        struct {
            int64_t microseconds;
            int64_t days;
        } interval;
        uint8_t uuid[16];
        struct {
            const struct pond_value *items;
            size_t count;
        } array;
    } as;
} pond_value;
typedef enum pond_dialect { POND_DIALECT_POSTGRES = 0, POND_DIALECT_MYSQL = 1, POND_DIALECT_SQLITE =
    2 } pond_dialect;
typedef enum pond_log_level { POND_LOG_DEBUG = 10, POND_LOG_INFO = 20, POND_LOG_WARNING = 30,
    POND_LOG_ERROR = 40 } pond_log_level;
typedef struct pond_schema pond_schema;
int pond_schema_new(pond_dialect dialect, uint32_t capabilities, pond_schema **out, pond_error
    **err);
pond_schema *pond_schema_retain(pond_schema *schema);
void pond_schema_release(pond_schema *schema);
int pond_pool_schema(pond_pool *pool, pond_schema **out, pond_error **err);
void pond_schema_forget(pond_schema *schema, const char *entity);
typedef struct pond_field {
    const char *name;
    const char *type;
    pond_value value;
} pond_field;
typedef struct pond_record {
    const pond_field *fields;
    uint64_t field_count;
} pond_record;
typedef struct pond_entity_options {
    uint32_t struct_size;
    uint32_t flags;
    const char *user_id;
    const char *comment;
    int64_t expected_version;
    const char *where;
    const pond_value *params;
    uint64_t param_count;
    const char *order_by;
    int64_t limit;
    int64_t offset;
    uint32_t max_new_fields;
    uint32_t max_fields;
    uint64_t first_record;
} pond_entity_options;
typedef struct pond_plan pond_plan;
int pond_plan_save(pond_schema *schema, const char *entity, const pond_record *record, const
    pond_entity_options *options, pond_plan **out, pond_error **err);
int pond_plan_save_many(pond_schema *schema, const char *entity, const pond_record *records,
    uint64_t record_count, const pond_entity_options *options, pond_plan **out, pond_error **err);
int pond_plan_get(pond_schema *schema, const char *entity, const char *id, const pond_entity_options
    *options, pond_plan **out, pond_error **err);
int pond_plan_get_many(pond_schema *schema, const char *entity, const char *const *ids, uint64_t
    id_count, const pond_entity_options *options, pond_plan **out, pond_error **err);
int pond_plan_delete(pond_schema *schema, const char *entity, const char *id, const
    pond_entity_options *options, pond_plan **out, pond_error **err);
int pond_plan_restore(pond_schema *schema, const char *entity, const char *id, const
    pond_entity_options *options, pond_plan **out, pond_error **err);
int pond_plan_find(pond_schema *schema, const char *entity, const pond_entity_options *options,
    pond_plan **out, pond_error **err);
int pond_plan_count(pond_schema *schema, const char *entity, const pond_entity_options *options,
    pond_plan **out, pond_error **err);
int pond_plan_history(pond_schema *schema, const char *entity, const char *id, const
    pond_entity_options *options, pond_plan **out, pond_error **err);
int pond_plan_history_between(pond_schema *schema, const char *entity, const char *id, int64_t
    from_us, int64_t to_us, const pond_entity_options *options, pond_plan **out, pond_error **err);
int pond_plan_version(pond_schema *schema, const char *entity, const char *id, int64_t version,
    const pond_entity_options *options, pond_plan **out, pond_error **err);
int pond_plan_list(pond_schema *schema, pond_plan **out, pond_error **err);
pond_plan *pond_plan_retain(pond_plan *plan);
void pond_plan_release(pond_plan *plan);
const char *pond_plan_call(const pond_plan *plan);
int pond_plan_status(const pond_plan *plan);
pond_result *pond_plan_take_result(pond_plan *plan);
pond_error *pond_plan_take_error(pond_plan *plan);
int64_t pond_plan_number(const pond_plan *plan);
const char *pond_result_column_type(const pond_result *result, size_t column);
int pond_connection_run(pond_connection *connection, pond_plan *plan, int64_t timeout_ms, void
    *user_data, pond_op **op, pond_error **err);
int pond_connection_run_wait(pond_connection *connection, pond_plan *plan, int64_t timeout_ms,
    pond_error **err);
typedef enum pond_step_kind { POND_STEP_DONE = 0, POND_STEP_EXECUTE = 1, POND_STEP_EXECUTE_MANY = 2,
    POND_STEP_BEGIN = 3, POND_STEP_COMMIT = 4, POND_STEP_ROLLBACK = 5, POND_STEP_APART = 6,
    POND_STEP_PAUSE = 7 } pond_step_kind;
typedef struct pond_step {
    uint32_t struct_size;
    uint32_t kind;
    const char *sql;
    uint64_t sql_size;
    const pond_value *params;
    uint64_t row_count;
    uint64_t column_count;
    int64_t wait_ms;
    uint32_t flags;
    uint32_t reserved;
} pond_step;
int pond_plan_start(pond_plan *plan, int in_transaction, pond_error **err);
int pond_plan_next(pond_plan *plan, pond_step *out, pond_error **err);
int pond_plan_feed_rows(pond_plan *plan, const char *const *names, const pond_value *values,
    uint64_t row_count, uint64_t column_count, int64_t affected, pond_error **err);
int pond_plan_feed_error(pond_plan *plan, int code, const char *sqlstate, const char *message, int
    still_open, pond_error **err);
typedef enum pond_scaling_level { POND_SCALING_NORMAL = 0, POND_SCALING_MILD = 1, POND_SCALING_HIGH
    = 2, POND_SCALING_CRITICAL = 3 } pond_scaling_level;
typedef enum pond_scaling_action { POND_ACTION_NONE = 0, POND_ACTION_REVIEW_QUERIES = 1,
    POND_ACTION_SCALE_UP = 2, POND_ACTION_SCALE_OUT = 3 } pond_scaling_action;
typedef enum pond_saturation { POND_SATURATION_NONE = 0, POND_SATURATION_SLOW = 1,
    POND_SATURATION_MANY = 2, POND_SATURATION_HELD = 3 } pond_saturation;
typedef struct pond_scaling_signal {
    uint32_t struct_size;
    uint32_t level;
    uint32_t action;
    uint32_t saturation;
    uint32_t waiting;
    uint32_t reserved;
    uint64_t attempts;
    uint64_t timeouts;
    double timeout_rate;
    double window_seconds;
    double utilization;
    double acquires_per_second;
    double queries_per_second;
    double mean_wait_seconds;
    double mean_query_seconds;
} pond_scaling_signal;
int pond_pool_scaling(pond_pool *pool, pond_scaling_signal *out, pond_error **err);
const char *pond_scaling_level_text(uint32_t level);
const char *pond_scaling_action_text(uint32_t action);
const char *pond_saturation_text(uint32_t saturation);
typedef struct pond_metrics pond_metrics;
int pond_metrics_take(pond_pool *pool, pond_metrics **out, pond_error **err);
void pond_metrics_free(pond_metrics *metrics);
typedef enum pond_metric_kind { POND_METRIC_COUNTER = 1, POND_METRIC_GAUGE = 2,
    POND_METRIC_HISTOGRAM = 3 } pond_metric_kind;
typedef struct pond_metric {
    uint32_t struct_size;
    uint32_t kind;
    const char *name;
    const char *label;
    const char *value;
    double number;
    uint64_t count;
    double sum;
    double max;
    double p50;
    double p95;
    double p99;
} pond_metric;
size_t pond_metrics_count(const pond_metrics *metrics);
int pond_metrics_read(const pond_metrics *metrics, size_t index, pond_metric *out, pond_error
    **err);
uint64_t pond_metrics_below(const pond_metrics *metrics, size_t index, double seconds);
int pond_metrics_prometheus(char **out, size_t *size, pond_error **err);
typedef struct pond_session pond_session;
int pond_session_new(const char *token, pond_session **out, pond_error **err);
pond_session *pond_session_retain(pond_session *session);
void pond_session_release(pond_session *session);
int pond_session_token(pond_session *session, char **out, pond_error **err);
int pond_session_merge(pond_session *session, const char *token, pond_error **err);
typedef enum pond_consistency { POND_CONSISTENCY_DEFAULT = 0, POND_STRONG = 1, POND_SESSION = 2,
    POND_BOUNDED = 3, POND_EVENTUAL = 4 } pond_consistency;
typedef struct pond_acquire_options {
    uint32_t struct_size;
    uint32_t read_only;
    uint32_t consistency;
    uint32_t reserved;
    int64_t max_staleness_ms;
    int64_t timeout_ms;
    pond_session *session;
} pond_acquire_options;
int pond_pool_try_acquire_with(pond_pool *pool, pond_loop *loop, const pond_acquire_options
    *options, pond_connection **out, pond_error **err);
int pond_pool_acquire_with(pond_pool *pool, pond_loop *loop, const pond_acquire_options *options,
    void *user_data, pond_op **op, pond_error **err);
int pond_pool_acquire_with_wait(pond_pool *pool, pond_loop *loop, const pond_acquire_options
    *options, pond_connection **out, pond_error **err);
int pond_connection_node(pond_connection *connection);
typedef struct pond_nodes pond_nodes;
typedef struct pond_node {
    uint32_t struct_size;
    uint32_t is_primary;
    uint32_t is_healthy;
    uint32_t reserved;
    const char *address;
    const char *region;
    const char *role;
    const char *problem;
    const char *position;
    double weight;
    double lag_seconds;
    double lag_bytes;
    double latency_seconds;
    double report_age_seconds;
    uint64_t reads;
    uint64_t fallbacks;
    uint64_t waits;
    uint64_t missed;
    uint64_t ejections;
    uint64_t failures;
    uint32_t size;
    uint32_t idle;
    uint32_t in_use;
    uint32_t waiting;
} pond_node;
int pond_pool_nodes(pond_pool *pool, pond_nodes **out, pond_error **err);
void pond_nodes_free(pond_nodes *nodes);
size_t pond_nodes_count(const pond_nodes *nodes);
int pond_nodes_read(const pond_nodes *nodes, size_t number, pond_node *out, pond_error **err);
typedef enum pond_breaker_state { POND_BREAKER_CLOSED = 0, POND_BREAKER_OPEN = 1,
    POND_BREAKER_HALF_OPEN = 2 } pond_breaker_state;
typedef enum pond_breaker_outcome { POND_BREAKER_SUCCESS = 1, POND_BREAKER_FAILURE = 2,
    POND_BREAKER_CANCELLED = 3 } pond_breaker_outcome;
typedef struct pond_breaker_options {
    uint32_t struct_size;
    uint32_t failure_threshold;
    uint32_t half_open_max_calls;
    uint32_t flags;
    int64_t recovery_timeout_us;
    int64_t window_size_us;
} pond_breaker_options;
int pond_breaker_new(const char *name, const pond_breaker_options *options, pond_breaker **out,
    pond_error **err);
int pond_breaker_get_or_create(const char *name, const pond_breaker_options *options, pond_breaker
    **out, pond_error **err);
pond_breaker *pond_breaker_retain(pond_breaker *breaker);
void pond_breaker_release(pond_breaker *breaker);
int pond_breaker_forget(const char *name);
size_t pond_breaker_list(pond_breaker **out, size_t capacity);
int pond_breaker_allow(pond_breaker *breaker, uint64_t *ticket, pond_error **err);
int pond_breaker_record(pond_breaker *breaker, uint64_t ticket, pond_breaker_outcome outcome,
    pond_error **err);
pond_breaker_outcome pond_breaker_outcome_of(int code);
void pond_breaker_reset(pond_breaker *breaker);
const char *pond_breaker_name(const pond_breaker *breaker);
typedef struct pond_breaker_status {
    uint32_t struct_size;
    uint32_t state;
    uint32_t recent_failures;
    uint32_t probes;
    int64_t retry_after_us;
    uint64_t failures;
    uint64_t refused;
    uint64_t opened;
} pond_breaker_status;
int pond_breaker_get_status(pond_breaker *breaker, pond_breaker_status *out, pond_error **err);
typedef struct pond_retry_policy {
    uint32_t struct_size;
    uint32_t max_retries;
    int64_t base_delay_us;
    int64_t max_delay_us;
    int64_t total_timeout_us;
} pond_retry_policy;
int pond_retry_next(const pond_retry_policy *policy, uint32_t failures, int64_t elapsed_us, int64_t
    *delay_us, pond_error **err);
typedef struct pond_statement_cache_options {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t capacity;
    uint64_t limit;
    void (*retain)(void *value);
    void (*release)(void *value);
} pond_statement_cache_options;
int pond_statement_cache_new(const pond_statement_cache_options *options, pond_statement_cache
    **out, pond_error **err);
pond_statement_cache *pond_statement_cache_retain(pond_statement_cache *cache);
void pond_statement_cache_release(pond_statement_cache *cache);
int pond_statement_cache_get(pond_statement_cache *cache, const char *name, size_t name_size, void
    **value);
int pond_statement_cache_put(pond_statement_cache *cache, const char *name, size_t name_size, void
    *value, pond_error **err);
void pond_statement_cache_each(pond_statement_cache *cache, void (*each)(void *data, const char
    *name, size_t name_size, void *value), void *data);
void pond_statement_cache_clear(pond_statement_cache *cache);
typedef struct pond_statement_cache_status {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t count;
    uint64_t capacity;
    uint64_t limit;
    uint64_t hits;
    uint64_t misses;
    uint64_t evictions;
} pond_statement_cache_status;
int pond_statement_cache_get_status(pond_statement_cache *cache, pond_statement_cache_status *out,
    pond_error **err);
void pond_statement_hash(const char *sql, size_t sql_size, char out[33]);
pond_value pond_value_null(void);
pond_value pond_value_bool(int value);
pond_value pond_value_int64(int64_t value);
pond_value pond_value_double(double value);
pond_value pond_value_text(const char *text);
pond_value pond_value_sized(pond_type type, const char *data, size_t size);
int pond_result_column(const pond_result *result, const char *name, size_t *out, pond_error **err);
int pond_result_cell(pond_result *result, size_t row, size_t column, pond_value *out, pond_error
    **err);
int pond_result_int64(pond_result *result, size_t row, size_t column, int64_t *out, pond_error
    **err);
int pond_result_double(pond_result *result, size_t row, size_t column, double *out, pond_error
    **err);
int pond_result_text(pond_result *result, size_t row, size_t column, const char **data, size_t
    *size, pond_error **err);
const char *pond_version(void);
const char *pond_error_name(int code);
const char *pond_error_text(int code);
int pond_error_code(const pond_error *error);
const char *pond_error_message(const pond_error *error);
const char *pond_error_sqlstate(const pond_error *error);
const char *pond_error_detail(const pond_error *error);
const char *pond_error_hint(const pond_error *error);
const char *pond_error_constraint(const pond_error *error);
const char *pond_error_setting(const pond_error *error);
int64_t pond_error_row(const pond_error *error);
int32_t pond_error_vendor_code(const pond_error *error);
uint32_t pond_error_position(const pond_error *error);
int pond_error_retryable(const pond_error *error);
int pond_error_is_timeout(const pond_error *error);
void pond_error_free(pond_error *error);
typedef struct pond_log pond_log;
uint32_t pond_log_pending(void);
pond_log *pond_log_next(void);
int pond_log_level_of(const pond_log *record);
const char *pond_log_area(const pond_log *record);
const char *pond_log_message(const pond_log *record);
void pond_log_free(pond_log *record);
void pond_thread_set_interrupt(int (*interrupted)(void *data), void *data);
int pond_config_new(const char *driver, pond_config **out, pond_error **err);
pond_config *pond_config_retain(pond_config *config);
void pond_config_release(pond_config *config);
int pond_config_from_url(const char *url, pond_config **out, pond_error **err);
typedef void (*pond_url_setting)(void *data, const char *key, const char *value);
int pond_url_parse(const char *url, pond_url_setting each, void *data, pond_error **err);
int pond_config_set(pond_config *config, const char *key, const char *value, pond_error **err);
const char *pond_config_get(const pond_config *config, const char *key);
const char *pond_config_driver(const pond_config *config);
const char *pond_driver_fact(const char *driver, const char *fact);
int pond_config_check(const pond_config *config, pond_error **err);
int pond_config_hash(const pond_config *config, char out[33], pond_error **err);
int pond_loop_new(pond_loop **out, pond_error **err);
pond_loop *pond_loop_retain(pond_loop *loop);
void pond_loop_release(pond_loop *loop);
void pond_loop_close(pond_loop *loop);
int pond_loop_fd(const pond_loop *loop);
int pond_loop_timeout_ms(pond_loop *loop);
int pond_loop_run_nowait(pond_loop *loop, pond_error **err);
int pond_loop_run(pond_loop *loop, int64_t timeout_ms, pond_error **err);
pond_op *pond_loop_next(pond_loop *loop);
void pond_loop_wake(pond_loop *loop);
int pond_loop_set_wake(pond_loop *loop, void (*wake)(void *data), void *data, pond_error **err);
int pond_loop_set_wake_fd(pond_loop *loop, int fd, pond_error **err);
int pond_loop_start_thread(pond_loop *loop, void (*completed)(void *data, pond_op *op), void *data,
    pond_error **err);
pond_op *pond_op_retain(pond_op *op);
void pond_op_release(pond_op *op);
void *pond_op_user_data(const pond_op *op);
int pond_op_status(const pond_op *op);
pond_result *pond_op_take_result(pond_op *op);
pond_connection *pond_op_take_connection(pond_op *op);
pond_error *pond_op_take_error(pond_op *op);
void pond_op_cancel(pond_op *op);
int pond_op_wait(pond_op *op, int64_t timeout_ms, pond_error **err);
int pond_pool_open(pond_config *config, pond_pool **out, pond_error **err);
pond_pool *pond_pool_retain(pond_pool *pool);
void pond_pool_release(pond_pool *pool);
void pond_pool_default_size(uint32_t *min_size, uint32_t *max_size);
int pond_pool_try_acquire(pond_pool *pool, pond_loop *loop, pond_connection **out, pond_error
    **err);
int pond_pool_acquire(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, void *user_data, pond_op
    **op, pond_error **err);
int pond_pool_acquire_wait(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, pond_connection
    **out, pond_error **err);
int pond_pool_close(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, void *user_data, pond_op
    **op, pond_error **err);
int pond_pool_close_wait(pond_pool *pool, int64_t timeout_ms, pond_error **err);
typedef struct pond_pool_status {
    uint32_t struct_size;
    uint32_t min_size;
    uint32_t max_size;
    uint32_t size;
    uint32_t in_use;
    uint32_t idle;
    uint32_t waiting;
    uint32_t closed;
    uint64_t acquired;
    uint64_t released;
    uint64_t timeouts;
    uint64_t errors;
    uint64_t created;
    uint64_t destroyed;
    uint64_t peak_active;
    uint64_t statement_hits;
    uint64_t statement_misses;
    uint64_t statement_evictions;
    uint32_t opening;
    uint32_t sync_max_size;
    uint32_t sync_in_use;
    uint32_t reserved;
} pond_pool_status;
int pond_pool_get_status(pond_pool *pool, pond_pool_status *out, pond_error **err);
int pond_pool_check(pond_pool *pool, pond_loop *loop, int64_t timeout_ms, void *user_data, pond_op
    **op, pond_error **err);
int pond_pool_check_wait(pond_pool *pool, int64_t timeout_ms, pond_error **err);
typedef struct pond_lease_info {
    uint64_t connection_id;
    int64_t age_ms;
    const void *tag_owner;
    void *tag;
} pond_lease_info;
size_t pond_pool_leases(pond_pool *pool, int64_t least_age_ms, pond_lease_info *out, size_t
    info_size, size_t capacity);
int pond_pool_is_closed(const pond_pool *pool);
const char *pond_pool_hash(const pond_pool *pool);
size_t pond_pool_list(pond_pool **out, size_t capacity);
pond_connection *pond_connection_retain(pond_connection *connection);
void pond_connection_release(pond_connection *connection);
int pond_connection_give_back(pond_connection *connection, pond_error **err);
int pond_connection_close(pond_connection *connection, pond_error **err);
void pond_connection_set_tag(pond_connection *connection, const void *owner, void *tag);
int pond_connection_is_fresh(pond_connection *connection);
int pond_connection_set_up(pond_connection *connection, pond_error **err);
int pond_connection_check_wait(pond_connection *connection, pond_error **err);
typedef struct pond_tag {
    const char *key;
    const char *value;
} pond_tag;
typedef struct pond_execute_options {
    uint32_t struct_size;
    uint32_t flags;
    int64_t timeout_ms;
    const pond_tag *tags;
    uint64_t tag_count;
    uint64_t first_row;
} pond_execute_options;
int pond_connection_execute(pond_connection *connection, const char *sql, size_t sql_size, const
    pond_value *params, size_t param_count, const pond_execute_options *options, void *user_data,
    pond_op **op, pond_error **err);
int pond_connection_execute_wait(pond_connection *connection, const char *sql, size_t sql_size,
    const pond_value *params, size_t param_count, const pond_execute_options *options, pond_result
    **out, pond_error **err);
int pond_connection_execute_many(pond_connection *connection, const char *sql, size_t sql_size,
    const pond_value *params, size_t row_count, size_t column_count, const pond_execute_options
    *options, void *user_data, pond_op **op, pond_error **err);
int pond_connection_execute_many_wait(pond_connection *connection, const char *sql, size_t sql_size,
    const pond_value *params, size_t row_count, size_t column_count, const pond_execute_options
    *options, pond_result **out, pond_error **err);
int pond_connection_stream(pond_connection *connection, const char *sql, size_t sql_size, const
    pond_value *params, size_t param_count, size_t batch_rows, const pond_execute_options *options,
    void *user_data, pond_op **op, pond_error **err);
int pond_connection_stream_wait(pond_connection *connection, const char *sql, size_t sql_size, const
    pond_value *params, size_t param_count, size_t batch_rows, const pond_execute_options *options,
    pond_result **out, pond_error **err);
int pond_connection_fetch(pond_connection *connection, int64_t timeout_ms, void *user_data, pond_op
    **op, pond_error **err);
int pond_connection_fetch_wait(pond_connection *connection, int64_t timeout_ms, pond_result **out,
    pond_error **err);
int pond_connection_end_stream(pond_connection *connection, int64_t timeout_ms, void *user_data,
    pond_op **op, pond_error **err);
int pond_connection_end_stream_wait(pond_connection *connection, int64_t timeout_ms, pond_error
    **err);
typedef enum pond_transaction_verb { POND_BEGIN = 1, POND_COMMIT = 2, POND_ROLLBACK = 3 }
    pond_transaction_verb;
int pond_connection_transaction(pond_connection *connection, pond_transaction_verb verb, int64_t
    timeout_ms, void *user_data, pond_op **op, pond_error **err);
int pond_connection_transaction_wait(pond_connection *connection, pond_transaction_verb verb,
    int64_t timeout_ms, pond_error **err);
int pond_connection_in_transaction(pond_connection *connection, int *out, pond_error **err);
const char *pond_connection_server_version(pond_connection *connection);
const char *pond_connection_driver_version(pond_connection *connection);
uint64_t pond_connection_id(pond_connection *connection);
pond_result *pond_result_retain(pond_result *result);
void pond_result_release(pond_result *result);
size_t pond_result_row_count(const pond_result *result);
size_t pond_result_column_count(const pond_result *result);
int64_t pond_result_affected(const pond_result *result);
int64_t pond_result_last_insert_id(const pond_result *result);
int pond_result_more(const pond_result *result);
const char *pond_result_column_name(const pond_result *result, size_t column);
int pond_result_declared_type(const pond_result *result, size_t column);
int pond_result_row(pond_result *result, size_t row, pond_value *values, pond_error **err);
void pond_result_drop_before(pond_result *result, size_t row);
int pond_date_to_days(int year, int month, int day, int64_t *days);
int pond_date_from_days(int64_t days, int *year, int *month, int *day);
const char *pond_type_name(uint32_t type);
int pond_value_format(const pond_value *value, char out[96], pond_error **err);
int pond_value_parse(pond_type type, const char *text, size_t size, pond_value *out, pond_error
    **err);
void pond_string_free(char *text);
int pond_sql_convert(pond_dialect dialect, const char *sql, size_t sql_size, char **out, size_t
    *out_size, size_t *placeholders, pond_error **err);
int pond_sql_convert_lists(pond_dialect dialect, const char *sql, size_t sql_size, const pond_value
    *params, size_t param_count, char **out, size_t *out_size, pond_value **values, size_t
    *value_count, pond_error **err);
void pond_values_free(pond_value *values);
int pond_sql_comment(const pond_tag *tags, size_t tag_count, char **out, pond_error **err);
int pond_sql_timeout(pond_dialect dialect, int64_t timeout_ms, char **out, pond_error **err);
typedef struct pond_request pond_request;
typedef enum pond_request_verb { POND_REQUEST_OPEN = 0, POND_REQUEST_EXECUTE = 1,
    POND_REQUEST_EXECUTE_MANY = 2, POND_REQUEST_STREAM = 3, POND_REQUEST_FETCH = 4,
    POND_REQUEST_END_STREAM = 5, POND_REQUEST_TRANSACTION = 6, POND_REQUEST_PING = 7,
    POND_REQUEST_RESET = 8 } pond_request_verb;
typedef enum pond_driver_flag { POND_DRIVER_ASYNC = 1, POND_DRIVER_PINNED = 2,
    POND_DRIVER_ANY_SETTING = 4 } pond_driver_flag;
typedef struct pond_driver {
    uint32_t struct_size;
    uint32_t flags;
    const char *name;
    const char *aliases;
    const char *options;
    const char *system;
    uint32_t dialect;
    uint32_t features;
    uint32_t port;
    uint32_t reserved;
    void *data;
    void (*open)(pond_request *request);
    void (*execute)(void *connection, pond_request *request);
    void (*execute_many)(void *connection, pond_request *request);
    void (*stream)(void *connection, pond_request *request);
    void (*fetch)(void *connection, pond_request *request);
    void (*end_stream)(void *connection, pond_request *request);
    void (*transaction)(void *connection, pond_request *request);
    void (*ping)(void *connection, pond_request *request);
    void (*reset)(void *connection, pond_request *request);
    void (*interrupt)(void *connection, pond_request *request);
    void (*close)(void *connection);
    void (*free_prepared)(void *connection, void *prepared);
} pond_driver;
int pond_driver_register(const pond_driver *driver, pond_error **err);
int pond_config_set_data(pond_config *config, void *data, void (*release)(void *data), pond_error
    **err);
void *pond_config_data(const pond_config *config);
pond_request_verb pond_request_verb_of(const pond_request *request);
void *pond_request_driver_data(const pond_request *request);
const pond_config *pond_request_config(const pond_request *request);
const char *pond_request_setting(const pond_request *request, const char *key);
pond_loop *pond_request_loop(const pond_request *request);
int pond_request_blocks(const pond_request *request);
const char *pond_request_sql(const pond_request *request, size_t *size);
const char *pond_request_written_sql(const pond_request *request, size_t *size);
int pond_request_is_step(const pond_request *request);
const pond_value *pond_request_params(const pond_request *request, size_t *rows, size_t *columns);
size_t pond_request_batch_rows(const pond_request *request);
pond_transaction_verb pond_request_transaction(const pond_request *request);
void *pond_request_prepared(const pond_request *request);
void pond_request_set_prepared(pond_request *request, void *prepared);
void pond_request_opened(pond_request *request, void *connection, const char *server_version, const
    char *driver_version);
void pond_request_set_in_transaction(pond_request *request, int open);
void pond_request_set_broken(pond_request *request);
void pond_request_finish(pond_request *request, pond_result *result, pond_error *error);
pond_error *pond_error_make(int code, const char *sqlstate, const char *message);
int pond_connection_hold(pond_connection *connection, const char *sql, size_t sql_size, const
    pond_execute_options *options, pond_request **out, pond_error **err);
void *pond_connection_host(pond_connection *connection);
int pond_connection_set_in_transaction(pond_connection *connection, int open, pond_error **err);
int pond_result_make(size_t column_count, const char *const *names, pond_result **out, pond_error
    **err);
int pond_result_add_row(pond_result *result, const pond_value *values, pond_error **err);
void pond_result_set_counts(pond_result *result, int64_t affected, int64_t last_id);
void pond_result_set_more(pond_result *result, int more);
int pond_result_of_host(void *object, void (*release)(void *object), pond_result **out, pond_error
    **err);
void *pond_result_take_host(pond_result *result);
]])
end

local constants = {
    POND_CAN_RETURN = 1,
    POND_CAN_WRITE_IN_CTE = 2,
    POND_CAN_RUN_BLOCK = 4,
    POND_ENTITY_DELETED = 1,
    POND_ENTITY_PERMANENT = 2,
    POND_ENTITY_PLAIN = 4,
    POND_ENTITY_PREPARE = 8,
    POND_ENTITY_TAGGED = 16,
    POND_VERSION_ANY = 0,
    POND_VERSION_NONE = -1,
    POND_LIMIT_NONE = 0,
    POND_LIMIT_NO_ROWS = -1,
    POND_STEP_UNDOES = 1,
    POND_VERSION_MAJOR = 0,
    POND_VERSION_MINOR = 1,
    POND_VERSION_PATCH = 0,
    POND_EXECUTE_AT_ONCE = 1,
    POND_EXECUTE_NATIVE = 2,
    POND_EXECUTE_UNTAGGED = 4,
    POND_VALUE_TEXT = 96,
    POND_SESSION_TOKEN_MAX = 4096,
    POND_BREAKER_IN_A_ROW = 1,
    POND_ZONE_UTC = 86400,
    POND_US_PER_DAY = 86400000000,
    POND_TIMEOUT_DEFAULT = -1,
    POND_TIMEOUT_NONE = -2,
}

return constants
