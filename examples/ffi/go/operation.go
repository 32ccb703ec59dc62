package main

/*
#include <stdint.h>
#include <millpond/millpond.h>
*/
import "C"

import (
	"context"
	"sync"
	"unsafe"
)

// An outcome is what an operation produced.
type outcome struct {
	connection *C.pond_connection
	result     *C.pond_result
	err        error
}

// The operations that have not completed, by the number that each carries as its user data: C keeps
// no pointer of Go's.
var (
	waitingLock sync.Mutex
	waiting     = map[uintptr]chan outcome{}
	lastID      uintptr
)

func expect() (uintptr, chan outcome) {
	waitingLock.Lock()
	defer waitingLock.Unlock()
	lastID++
	done := make(chan outcome, 1) // so that who tells it need not wait
	waiting[lastID] = done
	return lastID, done
}

func expected(id uintptr) chan outcome {
	waitingLock.Lock()
	defer waitingLock.Unlock()
	done := waiting[id]
	delete(waiting, id)
	return done
}

// The library's thread calls it once for each operation, with a reference to it.
//
//export operationCompleted
func operationCompleted(_ unsafe.Pointer, op *C.pond_op) {
	done := expected(uintptr(C.pond_op_user_data(op)))
	done <- outcome{
		connection: C.pond_op_take_connection(op),
		result:     C.pond_op_take_result(op),
		err:        fail(C.pond_op_status(op), takeError(op)),
	}
	C.pond_op_release(op)
}

func takeError(op *C.pond_op) *C.pond_error {
	if C.pond_op_status(op) == C.POND_OK {
		return nil
	}
	return C.pond_op_take_error(op)
}

func asPointer(id uintptr) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(&id))
}

// submit calls a function that submits an operation, and waits for its end. When the context is
// done it cancels the operation, and waits until the library has stopped the work.
func submit(ctx context.Context,
	call func(id unsafe.Pointer, op **C.pond_op, details **C.pond_error) C.int) (outcome, error) {
	var op *C.pond_op
	var details *C.pond_error
	if err := ctx.Err(); err != nil {
		return outcome{}, err
	}
	id, done := expect()
	if err := fail(call(asPointer(id), &op, &details), details); err != nil {
		expected(id)
		return outcome{}, err
	}
	defer C.pond_op_release(op)
	select {
	case got := <-done:
		return got, got.err
	case <-ctx.Done():
		C.pond_op_cancel(op)
	}
	got := <-done
	if got.err != nil {
		return outcome{}, ctx.Err()
	}
	return got, nil // it was faster
}
