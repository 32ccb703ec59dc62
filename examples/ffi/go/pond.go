package main

/*
#cgo pkg-config: millpond
#include <stdlib.h>
#include <millpond/millpond.h>

extern void operationCompleted(void *data, pond_op *op);
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"
)

// ErrTimeout is what a statement ends with that took longer than the database's own limit.
var ErrTimeout = errors.New("timed out")

// Database is the pool of one database. A thread of the library's own drives its loop: calls submit
// and return at once, goroutines wait on channels, and no thread is blocked however many wait.
type Database struct {
	pool *C.pond_pool
	loop *C.pond_loop
}

// Conn is one lease. It is for one goroutine at a time.
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

// first is the first error that there is.
func first(failures ...error) error {
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
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
		completed := (*[0]byte)(C.operationCompleted)
		err = fail(C.pond_loop_start_thread(db.loop, completed, nil, &details), details)
	}
	if err != nil {
		C.pond_loop_release(db.loop)
		C.pond_pool_release(db.pool)
		return nil, err
	}
	return db, nil
}

// Close waits for connections to come back until the context is done, at most so long, then takes
// them.
func (db *Database) Close(ctx context.Context, limit time.Duration) error {
	_, err := submit(ctx, func(id unsafe.Pointer, op **C.pond_op, details **C.pond_error) C.int {
		return C.pond_pool_close(db.pool, db.loop, C.int64_t(limit.Milliseconds()), id, op, details)
	})
	C.pond_loop_release(db.loop)
	C.pond_pool_release(db.pool)
	return err
}

// With runs a function with a leased connection.
func (db *Database) With(ctx context.Context, do func(*Conn) error) error {
	var details *C.pond_error
	got, err := submit(ctx, func(id unsafe.Pointer, op **C.pond_op, details **C.pond_error) C.int {
		return C.pond_pool_acquire(db.pool, db.loop, C.POND_TIMEOUT_DEFAULT, id, op, details)
	})
	if err != nil {
		return err
	}
	conn := &Conn{got.connection, db}
	defer C.pond_connection_release(conn.handle)
	err = do(conn)
	back := fail(C.pond_connection_give_back(conn.handle, &details), details)
	return first(err, back)
}

func (conn *Conn) ServerVersion() string {
	return C.GoString(C.pond_connection_server_version(conn.handle))
}

// Transaction commits if the function returns nil, else rolls back.
func (conn *Conn) Transaction(ctx context.Context, do func() error) error {
	if err := conn.end(ctx, C.POND_BEGIN); err != nil {
		return err
	}
	if err := do(); err != nil {
		return first(err, conn.end(context.Background(), C.POND_ROLLBACK))
	}
	return conn.end(ctx, C.POND_COMMIT)
}

func (conn *Conn) end(ctx context.Context, verb C.pond_transaction_verb) error {
	_, err := submit(ctx, func(id unsafe.Pointer, op **C.pond_op, details **C.pond_error) C.int {
		return C.pond_connection_transaction(conn.handle, verb, C.POND_TIMEOUT_DEFAULT, id, op, details)
	})
	return err
}

// Execute returns the rows of a statement. It ends when the context is done: the statement is
// stopped on the server, and the connection can be used again.
func (conn *Conn) Execute(ctx context.Context, sql string, params ...any) ([][]any, error) {
	values, free, err := toValues(params)
	defer free()
	if err != nil {
		return nil, err
	}
	text := C.CString(sql)
	defer C.free(unsafe.Pointer(text))
	got, err := submit(ctx, func(id unsafe.Pointer, op **C.pond_op, details **C.pond_error) C.int {
		return C.pond_connection_execute(conn.handle, text, C.size_t(len(sql)), values,
			C.size_t(len(params)), nil, id, op, details)
	})
	if err != nil {
		return nil, err
	}
	defer C.pond_result_release(got.result)
	return readRows(got.result)
}
