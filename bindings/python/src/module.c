#include "native.h"

native_state *native_state_of(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &native_module);
    return module ? PyModule_GetState(module) : NULL;
}

int native_traverse_type(PyObject *object, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(object));
    return 0;
}

static PyObject *import_from(const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *object = module ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    return object;
}

typedef struct import {
    PyObject **to;
    const char *module;
    const char *name;
} import;

static int import_all(native_state *state)
{
    const import imports[] = {
        {&state->get_running_loop, "asyncio", "_get_running_loop"},
        {&state->cancelled_error, "asyncio", "CancelledError"},
        {&state->invalid_state_error, "asyncio", "InvalidStateError"},
        {&state->decimal_type, "decimal", "Decimal"},
        {&state->uuid_type, "uuid", "UUID"},
        {&state->json_loads, "json", "loads"},
    };
    for (size_t i = 0; i < sizeof(imports) / sizeof(imports[0]); i++) {
        *imports[i].to = import_from(imports[i].module, imports[i].name);
        if (!*imports[i].to)
            return -1;
    }
    return 0;
}

/* What the package gives this module, which imports none of the package's. */
PyObject *native_adopt(PyObject *module, PyObject *args, PyObject *given)
{
    native_state *state = PyModule_GetState(module);
    struct {
        PyObject **to;
        const char *name;
    } wanted[] = {
        {&state->interval_type, "Interval"},
        {&state->stored_json, "StoredJson"},
        {&state->json_dumps, "dump_json"},
        {&state->write_log, "write_log"},
        {&state->format_stack, "format_stack"},
        {&state->watch_shutdown, "watch_shutdown"},
        {&state->plain, "parameter"},
        {&state->convert_call, "convert_call"},
        {&state->encode_field, "encode_field"},
        {&state->fields_of, "fields_of"},
        {&state->field_decoder, "field_decoder"},
        {&state->unreadable, "unreadable"},
    };
    size_t count = sizeof(wanted) / sizeof(wanted[0]);
    if (PyTuple_GET_SIZE(args) || !given || (size_t)PyDict_GET_SIZE(given) != count)
        return PyErr_Format(PyExc_TypeError, "adopt() takes %zu keyword arguments", count);
    for (size_t i = 0; i < count; i++) {
        PyObject *object = PyDict_GetItemString(given, wanted[i].name);
        if (!object)
            return PyErr_Format(PyExc_TypeError, "adopt() needs the argument %s", wanted[i].name);
        Py_XSETREF(*wanted[i].to, Py_NewRef(object));
    }
    Py_RETURN_NONE;
}

static int make_constants(native_state *state)
{
    state->session_variable = PyContextVar_New("millpond_session", NULL);
    state->loops = PyDict_New();
    state->backend_hosts = PySet_New(NULL);
    state->empty_tuple = PyTuple_New(0);
    state->str_int = PyUnicode_InternFromString("int");
    state->str_params = PyUnicode_InternFromString("params");
    state->str_timeout = PyUnicode_InternFromString("timeout");
    state->str_tags = PyUnicode_InternFromString("tags");
    state->str_row_factory = PyUnicode_InternFromString("row_factory");
    state->str_execute_shaped = PyUnicode_InternFromString("_execute_shaped");
    state->str_context = PyUnicode_InternFromString("context");
    state->str_blocking = PyUnicode_InternFromString("_asyncio_future_blocking");
    return state->session_variable && state->loops && state->empty_tuple && state->str_int &&
                   state->str_params && state->str_timeout && state->str_tags &&
                   state->str_row_factory && state->str_execute_shaped && state->str_context &&
                   state->str_blocking
               ? 0
               : -1;
}

static int add_type(PyObject *module, PyType_Spec *spec, PyObject *base, PyTypeObject **out)
{
    *out = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, base);
    return *out ? PyModule_AddType(module, *out) : -1;
}

/* Not tied to the module: Polars remembers the types that it has seen until after the end. */
static int add_arrow_type(PyObject *module, native_state *state)
{
    state->arrow_type = (PyTypeObject *)PyType_FromSpec(&native_arrow_spec);
    return state->arrow_type ? PyModule_AddType(module, state->arrow_type) : -1;
}

/* isinstance(op, collections.abc.Coroutine) is what create_task() asks. */
static int register_coroutine(native_state *state)
{
    PyObject *coroutine = import_from("collections.abc", "Coroutine");
    PyObject *done =
        coroutine ? PyObject_CallMethod(coroutine, "register", "O", state->op_type) : NULL;
    Py_XDECREF(coroutine);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int add_types(PyObject *module, native_state *state)
{
    return add_type(module, &native_op_spec, NULL, &state->op_type) ||
                   add_type(module, &native_loop_spec, NULL, &state->loop_type) ||
                   add_type(module, &native_reader_spec, NULL, &state->reader_type) ||
                   add_type(module, &native_pool_spec, NULL, &state->pool_type) ||
                   add_type(module, &native_acquire_spec, NULL, &state->acquire_type) ||
                   add_type(module, &native_connection_spec, NULL, &state->connection_type) ||
                   add_type(module, &native_sync_connection_spec, NULL,
                            &state->sync_connection_type) ||
                   add_type(module, &native_result_spec, (PyObject *)&PyList_Type,
                            &state->result_type) ||
                   add_arrow_type(module, state) ||
                   add_type(module, &native_plan_spec, NULL, &state->plan_type) ||
                   add_type(module, &native_schema_spec, NULL, &state->schema_type) ||
                   add_type(module, &native_request_spec, NULL, &state->request_type) ||
                   add_type(module, &native_session_spec, NULL, &state->session_type) ||
                   register_coroutine(state)
               ? -1
               : 0;
}

static int module_exec(PyObject *module)
{
    native_state *state = PyModule_GetState(module);
    native_init_entity();
    if (native_init_values(module, state) || import_all(state) || make_constants(state) ||
        native_add_errors(module, state) || add_types(module, state) ||
        PyModule_AddFunctions(module, native_functions) || native_add_resilience(module) ||
        native_add_metrics(module) ||
        PyModule_AddStringConstant(module, "version", pond_version()) ||
        native_add_entity_verbs(module) || PyModule_AddIntMacro(module, POND_DIALECT_POSTGRES) ||
        PyModule_AddIntMacro(module, POND_DIALECT_MYSQL) ||
        PyModule_AddIntMacro(module, POND_DIALECT_SQLITE))
        return -1;
    state->ready_none = native_op_ready(state, Py_NewRef(Py_None));
    return state->ready_none ? 0 : -1;
}

enum { OBJECT_COUNT = 49 };

/* Every Python object of the state, for the garbage collector. */
static void objects_of(native_state *state, PyObject ***out)
{
    PyObject **objects[] = {
        (PyObject **)&state->op_type,
        (PyObject **)&state->loop_type,
        (PyObject **)&state->reader_type,
        (PyObject **)&state->pool_type,
        (PyObject **)&state->acquire_type,
        (PyObject **)&state->connection_type,
        (PyObject **)&state->sync_connection_type,
        (PyObject **)&state->result_type,
        (PyObject **)&state->arrow_type,
        (PyObject **)&state->plan_type,
        (PyObject **)&state->schema_type,
        (PyObject **)&state->request_type,
        (PyObject **)&state->session_type,
        &state->session_variable,
        &state->backend_opener,
        &state->backend_hosts,
        &state->encode_field,
        &state->fields_of,
        &state->field_decoder,
        &state->unreadable,
        &state->stored_json,
        &state->errors,
        &state->error_base,
        &state->connect_timeout,
        &state->loops,
        &state->ready_none,
        &state->get_running_loop,
        &state->cancelled_error,
        &state->invalid_state_error,
        &state->decimal_type,
        &state->uuid_type,
        &state->interval_type,
        &state->json_loads,
        &state->json_dumps,
        &state->plain,
        &state->convert_call,
        &state->write_log,
        &state->empty_tuple,
        &state->str_int,
        &state->str_params,
        &state->str_timeout,
        &state->str_tags,
        &state->str_row_factory,
        &state->str_execute_shaped,
        &state->str_context,
        &state->str_blocking,
        &state->watch_shutdown,
        &state->format_stack,
        NULL,
    };
    _Static_assert(sizeof(objects) == OBJECT_COUNT * sizeof(*objects), "OBJECT_COUNT");
    memcpy(out, objects, sizeof(objects));
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    PyObject **objects[OBJECT_COUNT];
    objects_of(PyModule_GetState(module), objects);
    for (int i = 0; objects[i]; i++)
        Py_VISIT(*objects[i]);
    return 0;
}

static int module_clear(PyObject *module)
{
    PyObject **objects[OBJECT_COUNT];
    objects_of(PyModule_GetState(module), objects);
    for (int i = 0; objects[i]; i++)
        Py_CLEAR(*objects[i]);
    return 0;
}

static void module_free(void *module)
{
    native_forget_backends(PyModule_GetState(module));
    module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};

struct PyModuleDef native_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "millpond._native",
    .m_doc = "The C side of millpond. Use the classes of the package millpond instead.",
    .m_size = sizeof(native_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModuleDef_Init(&native_module);
}
