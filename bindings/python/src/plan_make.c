/* Plans made from the arguments of entity calls. */
#include "plan.h"

/* ---- Arguments --------------------------------------------------------------------------- */

/* plan(verb, entity_name, subject, flags, **options): the options by the names below. */
enum {
    AT_VERB,
    AT_ENTITY,
    AT_SUBJECT,
    AT_FLAGS,
    AT_USER,
    AT_COMMENT,
    AT_EXPECTED,
    AT_WHERE,
    AT_PARAMS,
    AT_ORDER,
    AT_LIMIT,
    AT_OFFSET,
    AT_FIRST,
    AT_SECOND,
    AT_COUNT
};

/* Flags that are not the library's: entity.py's on_error. */
enum { PUT_PLAIN = 1 << 16, SKIP_ROW = 1 << 17, UNKNOWN_ON_ERROR = 1 << 18 };

typedef struct arguments {
    native_state *state;
    PyObject *given[AT_COUNT]; /* NULL or None: not given */
    pond_schema *schema;
    const unsigned *limits; /* or NULL */
    int64_t verb;
    pond_entity_options options;
    native_reading reading; /* without the name */
    pond_value few[NATIVE_FEW];
    pond_value *params;
    PyObject *held;
} arguments;

/* Some arguments have a name of their own with one verb. */
static const struct {
    const char *name;
    int at;
} names[] = {
    {"verb", AT_VERB},          {"entity_name", AT_ENTITY}, {"entity", AT_SUBJECT},
    {"flags", AT_FLAGS},        {"user_id", AT_USER},       {"comment", AT_COMMENT},
    {"limit", AT_LIMIT},        {"offset", AT_OFFSET},      {"params", AT_PARAMS},
    {"order_by", AT_ORDER},     {"where_clause", AT_WHERE}, {"expected_version", AT_EXPECTED},
    {"since", AT_FIRST},        {"until", AT_SECOND},       {"version", AT_FIRST},
    {"first_record", AT_FIRST},
};

enum { NAME_COUNT = sizeof(names) / sizeof(names[0]), POSITIONAL = AT_FLAGS + 1 };

static const char *name_of(const arguments *args, int at)
{
    if (at == AT_FIRST && args->verb == NATIVE_VERSION)
        return "version";
    if (at == AT_FIRST && args->verb == NATIVE_SAVE_MANY)
        return "first_record";
    int found = 0;
    while (names[found].at != at)
        found++;
    return names[found].name;
}

/* Put the arguments of a call where they belong; `keywords` are the names of the last ones. */
static int place(arguments *args, PyObject *const *given, Py_ssize_t count, PyObject *keywords)
{
    if (count > POSITIONAL) {
        PyErr_SetString(PyExc_TypeError, "options of a plan must have names");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        args->given[i] = given[i];
    for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); i++) {
        PyObject *name = PyTuple_GET_ITEM(keywords, i);
        int found = 0;
        while (found < NAME_COUNT && PyUnicode_CompareWithASCIIString(name, names[found].name))
            found++;
        if (found == NAME_COUNT) {
            PyErr_Format(PyExc_TypeError, "a plan has no option %R", name);
            return -1;
        }
        args->given[names[found].at] = given[count + i];
    }
    return 0;
}

static int is_given(const arguments *args, int at)
{
    return args->given[at] && args->given[at] != Py_None;
}

const char *native_text_of(native_state *state, PyObject *object, const char *what)
{
    Py_ssize_t size;
    if (!PyUnicode_Check(object)) {
        native_raise_text(state, POND_EPARAMS, "%s must be a str, not %.100s", what,
                          Py_TYPE(object)->tp_name);
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8AndSize(object, &size);
    if (!text) {
        PyErr_Clear();
        native_raise_text(state, POND_EDATA,
                          "%s contains a lone surrogate, which is not a character", what);
        return NULL;
    }
    if (strlen(text) == (size_t)size)
        return text;
    native_raise_text(state, POND_EINVAL, "%s contains a NUL character", what);
    return NULL;
}

static int read_text(arguments *args, int at, const char **out)
{
    *out = NULL;
    if (!is_given(args, at))
        return 0;
    *out = native_text_of(args->state, args->given[at], name_of(args, at));
    return *out ? 0 : -1;
}

static int read_integer(arguments *args, int at, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (!is_given(args, at))
        return 0;
    if (!PyLong_Check(args->given[at]) || PyBool_Check(args->given[at])) {
        native_raise_text(args->state, POND_EPARAMS, "%s must be an int, not %.100s",
                          name_of(args, at), Py_TYPE(args->given[at])->tp_name);
        return -1;
    }
    *out = PyLong_AsLongLong(args->given[at]);
    if (*out != -1 || !PyErr_Occurred())
        return 0;
    PyErr_Clear();
    native_raise_text(args->state, POND_ERANGE, "%s does not fit into 64 bits", name_of(args, at));
    return -1;
}

static int read_natural(arguments *args, int at, int64_t fallback, int64_t *out)
{
    if (read_integer(args, at, fallback, out))
        return -1;
    if (!is_given(args, at) || *out >= 0)
        return 0;
    native_raise_text(args->state, POND_EINVAL, "%s must not be negative", name_of(args, at));
    return -1;
}

static int read_params(arguments *args)
{
    PyObject *params = args->given[AT_PARAMS];
    if (!is_given(args, AT_PARAMS))
        return 0;
    if (!PyTuple_Check(params) && !PyList_Check(params)) {
        native_raise_text(args->state, POND_EPARAMS,
                          "params must be a tuple or list, not %.100s: write (value,) for one",
                          Py_TYPE(params)->tp_name);
        return -1;
    }
    params = native_frozen(params, &args->held);
    if (!params)
        return -1;
    Py_ssize_t count = PyTuple_GET_SIZE(params);
    if (count > NATIVE_FEW)
        args->params = PyMem_New(pond_value, (size_t)count);
    if (!args->params) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (native_where_value(args->state, PyTuple_GET_ITEM(params, i), i + 1, &args->params[i],
                               &args->held))
            return -1;
    }
    args->options.params = args->params;
    args->options.param_count = (uint64_t)count;
    return 0;
}

static int read_options(arguments *args)
{
    int64_t flags;
    int64_t expected;
    int64_t limit;
    pond_entity_options *options = &args->options;
    *options = (pond_entity_options)POND_ENTITY_OPTIONS_INIT;
    if (read_integer(args, AT_FLAGS, 0, &flags) || read_text(args, AT_USER, &options->user_id) ||
        read_text(args, AT_COMMENT, &options->comment) ||
        read_natural(args, AT_EXPECTED, -1, &expected) ||
        read_text(args, AT_WHERE, &options->where) || read_params(args) ||
        read_text(args, AT_ORDER, &options->order_by) || read_natural(args, AT_LIMIT, -1, &limit) ||
        read_natural(args, AT_OFFSET, 0, &options->offset) ||
        (args->verb == NATIVE_SAVE_MANY &&
         read_natural(args, AT_FIRST, 0, (int64_t *)&options->first_record)))
        return -1;
    if (flags & UNKNOWN_ON_ERROR) {
        native_raise_text(args->state, POND_EINVAL,
                          "on_error must be \"raise\", \"plain\" or \"skip\"");
        return -1;
    }
    args->reading.plain = (flags & POND_ENTITY_PLAIN) != 0;
    args->reading.on_error = flags & PUT_PLAIN  ? NATIVE_PUT_PLAIN
                             : flags & SKIP_ROW ? NATIVE_SKIP_ROW
                                                : NATIVE_RAISE;
    options->flags = (uint32_t)(flags & ~(int64_t)(PUT_PLAIN | SKIP_ROW)) | POND_ENTITY_TAGGED;
    /* to Python 0 is a version and a limit as any other; to the library it stands for the default
     */
    options->expected_version = expected > 0    ? expected
                                : expected == 0 ? POND_VERSION_NONE
                                                : POND_VERSION_ANY;
    options->max_new_fields = args->limits ? args->limits[0] : 0;
    options->max_fields = args->limits ? args->limits[1] : 0;
    options->limit = limit > 0 ? limit : limit == 0 ? POND_LIMIT_NO_ROWS : POND_LIMIT_NONE;
    return 0;
}

/* ---- Making ------------------------------------------------------------------------------ */

static int failed_to_make(native_state *state, int code, pond_error *error)
{
    if (!code)
        return 0;
    native_raise(state, code, error);
    return -1;
}

static int make_save(arguments *args, const char *entity, pond_plan **out)
{
    native_records records;
    pond_error *error = NULL;
    if (native_records_read_one(args->state, args->given[AT_SUBJECT], &records))
        return -1;
    int code = pond_plan_save(args->schema, entity, records.records, &args->options, out, &error);
    native_records_free(&records);
    return failed_to_make(args->state, code, error);
}

static int make_save_many(arguments *args, const char *entity, pond_plan **out)
{
    native_records records;
    pond_error *error = NULL;
    if (native_records_read(args->state, args->given[AT_SUBJECT], args->options.first_record,
                            &records))
        return -1;
    int code = pond_plan_save_many(args->schema, entity, records.records, records.count,
                                   &args->options, out, &error);
    native_records_free(&records);
    return failed_to_make(args->state, code, error);
}

static const char *id_of(arguments *args, PyObject *object)
{
    if (PyLong_Check(object) ||
        PyObject_TypeCheck(object, (PyTypeObject *)args->state->uuid_type)) {
        object = PyObject_Str(object);
        if (!object || (!args->held && !(args->held = PyList_New(0))) ||
            PyList_Append(args->held, object)) {
            Py_XDECREF(object);
            return NULL;
        }
        Py_DECREF(object);
    }
    return native_text_of(args->state, object, "entity_id");
}

static int make_get_many(arguments *args, const char *entity, pond_plan **out)
{
    pond_error *error = NULL;
    PyObject *list = native_list_of(args->state, args->given[AT_SUBJECT], "entity_ids", "ids");
    Py_ssize_t count = list ? PyList_GET_SIZE(list) : 0;
    const char **ids = list ? PyMem_New(const char *, (size_t)count + 1) : NULL;
    int code = ids ? POND_OK : -1;
    if (list && !ids)
        PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count && !code; i++) {
        ids[i] = id_of(args, PyList_GET_ITEM(list, i));
        code = ids[i] ? POND_OK : -1;
    }
    if (!code)
        code = failed_to_make(args->state,
                              pond_plan_get_many(args->schema, entity, ids, (uint64_t)count,
                                                 &args->options, out, &error),
                              error);
    PyMem_Free((void *)ids);
    Py_XDECREF(list);
    return code;
}

static int make_read(arguments *args, native_verb verb, const char *entity, pond_plan **out)
{
    pond_error *error = NULL;
    int64_t first;
    int64_t second;
    int code;
    const pond_entity_options *options = &args->options;
    const char *id = NULL;
    if (is_given(args, AT_SUBJECT) && !(id = id_of(args, args->given[AT_SUBJECT])))
        return -1;
    if (verb == NATIVE_VERSION && !is_given(args, AT_FIRST)) {
        native_raise_text(args->state, POND_EPARAMS, "version must be an int, not None");
        return -1;
    }
    if (read_integer(args, AT_FIRST, 0, &first) || read_integer(args, AT_SECOND, 0, &second))
        return -1;
    if (!id && verb != NATIVE_FIND && verb != NATIVE_FIND_ARROW && verb != NATIVE_COUNT &&
        verb != NATIVE_BETWEEN)
        id = "";
    switch (verb) {
    case NATIVE_GET:
        code = pond_plan_get(args->schema, entity, id, options, out, &error);
        break;
    case NATIVE_DELETE:
        code = pond_plan_delete(args->schema, entity, id, options, out, &error);
        break;
    case NATIVE_RESTORE:
        code = pond_plan_restore(args->schema, entity, id, options, out, &error);
        break;
    case NATIVE_FIND:
    case NATIVE_FIND_ARROW:
        code = pond_plan_find(args->schema, entity, options, out, &error);
        break;
    case NATIVE_COUNT:
        code = pond_plan_count(args->schema, entity, options, out, &error);
        break;
    case NATIVE_HISTORY:
        code = pond_plan_history(args->schema, entity, id, options, out, &error);
        break;
    case NATIVE_BETWEEN:
        code = pond_plan_history_between(args->schema, entity, id, first, second, options, out,
                                         &error);
        break;
    default:
        code = pond_plan_version(args->schema, entity, id, first, options, out, &error);
        break;
    }
    return failed_to_make(args->state, code, error);
}

static int make(arguments *args, native_verb verb, pond_plan **out)
{
    pond_error *error = NULL;
    const char *entity;
    if (verb == NATIVE_LIST)
        return failed_to_make(args->state, pond_plan_list(args->schema, out, &error), error);
    if (!is_given(args, AT_ENTITY)) {
        native_raise_text(args->state, POND_EPARAMS, "entity_name must be a str, not None");
        return -1;
    }
    if (read_text(args, AT_ENTITY, &entity) || read_options(args))
        return -1;
    switch (verb) {
    case NATIVE_SAVE:
        return make_save(args, entity, out);
    case NATIVE_SAVE_MANY:
        return make_save_many(args, entity, out);
    case NATIVE_GET_MANY:
        return make_get_many(args, entity, out);
    default:
        return make_read(args, verb, entity, out);
    }
}

native_plan *native_plan_new(native_state *state, pond_schema *schema, const unsigned *limits,
                             PyObject *const *given, Py_ssize_t count, PyObject *keywords)
{
    arguments args = {.state = state, .schema = schema, .limits = limits};
    pond_plan *plan = NULL;
    int64_t verb;
    args.params = args.few;
    if (place(&args, given, count, keywords))
        return NULL;
    if (count < 1 || read_integer(&args, AT_VERB, 0, &verb) || verb < 0 ||
        verb > NATIVE_FIND_ARROW) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "no such plan");
        return NULL;
    }
    native_plan *self = NULL;
    args.verb = verb;
    if (make(&args, (native_verb)verb, &plan) == 0)
        self = (native_plan *)state->plan_type->tp_alloc(state->plan_type, 0);
    if (args.params != args.few)
        PyMem_Free(args.params);
    Py_XDECREF(args.held);
    if (!self) {
        pond_plan_release(plan);
        return NULL;
    }
    self->state = state;
    self->plan = plan;
    self->verb = (native_verb)verb;
    self->reading = args.reading;
    self->reading.entity_name = Py_NewRef(args.given[AT_ENTITY] ? args.given[AT_ENTITY] : Py_None);
    if (verb == NATIVE_SAVE)
        self->subject = Py_NewRef(args.given[AT_SUBJECT]);
    return self;
}

int native_add_entity_verbs(PyObject *module)
{
    static const char *const verbs[] = {
#define POND_X(verb, VERB, call) #VERB,
        POND_ENTITY_CALL_MAP(POND_X)
#undef POND_X
            "FIND_ARROW"};
    PyObject *dict = PyDict_New();
    int failed = !dict;
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && !failed; i++) {
        PyObject *number = PyLong_FromSize_t(i);
        failed = !number || PyDict_SetItemString(dict, verbs[i], number);
        Py_XDECREF(number);
    }
    failed = failed || PyModule_AddObjectRef(module, "entity_verbs", dict);
    Py_XDECREF(dict);
    return failed ? -1 : 0;
}
