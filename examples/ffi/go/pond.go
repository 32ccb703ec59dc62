package main

/*
#cgo pkg-config: millpond
#include <stdlib.h>
#include <millpond/millpond.h>

// cgo cannot reach into a union.
static void set_integer(pond_value *value, int64_t number)
{
	value->type = POND_TYPE_INT64;
	value->as.integer = number;
}

static void set_text(pond_value *value, const char *data, size_t size)
{
	value->type = POND_TYPE_TEXT;
	value->as.text.data = data;
	value->as.text.size = size;
}

static int64_t get_integer(const pond_value *value) { return value->as.integer; }
static const char *get_text(const pond_value *value) { return value->as.text.data; }
static size_t get_size(const pond_value *value) { return value->as.text.size; }
*/
import "C"

import (
	"errors"
	"fmt"
	"time"
	"unsafe"
)

// ErrTimeout is what a statement ends with that took too long.
var ErrTimeout = errors.New("timed out")

// Go's functions move between threads, so the loop has a thread of the library's own: any
// goroutine may use its connections, one after the other.
type Database struct {
	pool *C.pond_pool
	loop *C.pond_loop
}

type Conn struct {
	handle *C.pond_connection
	db     *Database
}

func fail(code C.int, details *C.pond_error) error {
	if code == C.POND_OK {
		return nil
	}
	defer C.pond_error_free(details)
	message := C.pond_error_text(code)
	if details != nil {
		message = C.pond_error_message(details)
	}
	if code == C.POND_ETIMEDOUT {
		return fmt.Errorf("%s: %w", C.GoString(message), ErrTimeout)
	}
	return errors.New(C.GoString(message))
}

func configure(driver string, settings map[string]string) (*C.pond_config, error) {
	var config *C.pond_config
	var details *C.pond_error
	name := C.CString(driver)
	defer C.free(unsafe.Pointer(name))
	if err := fail(C.pond_config_new(name, &config, &details), details); err != nil {
		return nil, err
	}
	for key, value := range settings {
		k, v := C.CString(key), C.CString(value)
		err := fail(C.pond_config_set(config, k, v, &details), details)
		C.free(unsafe.Pointer(k))
		C.free(unsafe.Pointer(v))
		if err != nil {
			C.pond_config_release(config)
			return nil, err
		}
	}
	return config, nil
}

// Open opens the pool of a database; Close ends it.
func Open(driver string, settings map[string]string) (*Database, error) {
	var details *C.pond_error
	db := &Database{}
	config, err := configure(driver, settings)
	if err != nil {
		return nil, err
	}
	defer C.pond_config_release(config)
	if err := fail(C.pond_pool_open(config, &db.pool, &details), details); err != nil {
		return nil, err
	}
	err = fail(C.pond_loop_new(&db.loop, &details), details)
	if err == nil {
		err = fail(C.pond_loop_start_thread(db.loop, nil, nil, &details), details)
	}
	if err != nil {
		C.pond_loop_release(db.loop)
		C.pond_pool_release(db.pool)
		return nil, err
	}
	return db, nil
}

// Close waits for connections to come back, at most so long, then takes them.
func (db *Database) Close(limit time.Duration) error {
	var details *C.pond_error
	err := fail(C.pond_pool_close_wait(db.pool, C.int64_t(limit.Milliseconds()), &details), details)
	C.pond_loop_release(db.loop)
	C.pond_pool_release(db.pool)
	return err
}

// With runs a function with a leased connection.
func (db *Database) With(do func(*Conn) error) error {
	var details *C.pond_error
	conn := &Conn{db: db}
	code := C.pond_pool_acquire_wait(db.pool, db.loop, C.POND_TIMEOUT_DEFAULT, &conn.handle, &details)
	if err := fail(code, details); err != nil {
		return err
	}
	err := do(conn)
	if back := fail(C.pond_connection_give_back(conn.handle, &details), details); err == nil {
		err = back
	}
	C.pond_connection_release(conn.handle)
	return err
}

func (conn *Conn) ServerVersion() string {
	return C.GoString(C.pond_connection_server_version(conn.handle))
}

// Transaction commits if the function returns nil, else rolls back.
func (conn *Conn) Transaction(do func() error) error {
	if err := conn.end(C.POND_BEGIN); err != nil {
		return err
	}
	if err := do(); err != nil {
		conn.end(C.POND_ROLLBACK)
		return err
	}
	return conn.end(C.POND_COMMIT)
}

func (conn *Conn) end(verb C.pond_transaction_verb) error {
	var details *C.pond_error
	code := C.pond_connection_transaction_wait(conn.handle, verb, C.POND_TIMEOUT_DEFAULT, &details)
	return fail(code, details)
}

// toValues copies parameters, int64 or string, into C's memory; free them with the function.
func toValues(params []any) (*C.pond_value, func()) {
	var texts []unsafe.Pointer
	size := C.size_t(unsafe.Sizeof(C.pond_value{}))
	memory := C.calloc(C.size_t(len(params)+1), size)
	values := unsafe.Slice((*C.pond_value)(memory), len(params)+1)
	for i, param := range params {
		switch value := param.(type) {
		case int64:
			C.set_integer(&values[i], C.int64_t(value))
		case string:
			text := C.CString(value)
			texts = append(texts, unsafe.Pointer(text))
			C.set_text(&values[i], text, C.size_t(len(value)))
		default:
			panic(fmt.Sprintf("no value for a %T", param))
		}
	}
	return &values[0], func() {
		for _, text := range texts {
			C.free(text)
		}
		C.free(memory)
	}
}

func fromValue(cell *C.pond_value) any {
	switch cell._type {
	case C.POND_TYPE_INT64:
		return int64(C.get_integer(cell))
	case C.POND_TYPE_TEXT:
		return C.GoStringN(C.get_text(cell), C.int(C.get_size(cell)))
	}
	return nil
}

func readRows(result *C.pond_result) ([][]any, error) {
	var details *C.pond_error
	columns := int(C.pond_result_column_count(result))
	cells := make([]C.pond_value, columns+1)
	rows := make([][]any, int(C.pond_result_row_count(result)))
	for i := range rows {
		code := C.pond_result_row(result, C.size_t(i), &cells[0], &details)
		if err := fail(code, details); err != nil {
			return nil, err
		}
		for j := 0; j < columns; j++ {
			rows[i] = append(rows[i], fromValue(&cells[j]))
		}
	}
	return rows, nil
}

// Execute returns the rows of a statement, which ends within the limit (0: the database's own).
func (conn *Conn) Execute(limit time.Duration, sql string, params ...any) ([][]any, error) {
	var details *C.pond_error
	var result *C.pond_result
	values, free := toValues(params)
	defer free()
	text := C.CString(sql)
	defer C.free(unsafe.Pointer(text))
	options := C.pond_execute_options{timeout_ms: C.POND_TIMEOUT_DEFAULT}
	options.struct_size = C.uint32_t(unsafe.Sizeof(options))
	if limit > 0 {
		options.timeout_ms = C.int64_t(limit.Milliseconds())
	}
	code := C.pond_connection_execute_wait(conn.handle, text, C.size_t(len(sql)), values,
		C.size_t(len(params)), &options, &result, &details)
	if err := fail(code, details); err != nil {
		return nil, err
	}
	defer C.pond_result_release(result)
	return readRows(result)
}
