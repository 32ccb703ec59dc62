package main

/*
#include <stdlib.h>
#include <millpond/millpond.h>
*/
import "C"

import (
	"context"
	"unsafe"
)

// Record is one entity, or one version of it.
type Record map[string]any

// toRecord copies fields into C's memory.
func toRecord(memory *valueMemory, fields Record) (*C.pond_record, error) {
	block := C.calloc(C.size_t(len(fields)+1), C.size_t(unsafe.Sizeof(C.pond_field{})))
	record := (*C.pond_record)(C.calloc(1, C.size_t(unsafe.Sizeof(C.pond_record{}))))
	memory.blocks = append(memory.blocks, block, unsafe.Pointer(record))
	given := unsafe.Slice((*C.pond_field)(block), len(fields)+1)
	count := 0
	for name, field := range fields {
		var err error
		given[count].name, _ = memory.bytes([]byte(name))
		if given[count].value, err = memory.value(field); err != nil {
			return nil, err
		}
		count++
	}
	record.fields = &given[0]
	record.field_count = C.uint64_t(count)
	return record, nil
}

// A planner makes a plan for entities of a name.
type planner func(schema *C.pond_schema, entity *C.char, out **C.pond_plan, err **C.pond_error) C.int

// entities runs what a planner makes.
func (conn *Conn) entities(ctx context.Context, entity string, make planner) ([]Record, error) {
	var details *C.pond_error
	var schema *C.pond_schema
	var plan *C.pond_plan
	if err := fail(C.pond_pool_schema(conn.db.pool, &schema, &details), details); err != nil {
		return nil, err
	}
	defer C.pond_schema_release(schema)
	name := C.CString(entity)
	defer C.free(unsafe.Pointer(name))
	if err := fail(make(schema, name, &plan, &details), details); err != nil {
		return nil, err
	}
	return conn.run(ctx, plan)
}

// run runs a plan to its end, and releases it.
func (conn *Conn) run(ctx context.Context, plan *C.pond_plan) ([]Record, error) {
	defer C.pond_plan_release(plan)
	_, err := submit(ctx, func(id unsafe.Pointer, op **C.pond_op, details **C.pond_error) C.int {
		return C.pond_connection_run(conn.handle, plan, C.POND_TIMEOUT_DEFAULT, id, op, details)
	})
	if err != nil {
		return nil, err
	}
	result := C.pond_plan_take_result(plan)
	defer C.pond_result_release(result)
	rows, err := readRows(result)
	records := make([]Record, len(rows))
	for i, row := range rows {
		records[i] = Record{}
		for j, cell := range row {
			records[i][C.GoString(C.pond_result_column_name(result, C.size_t(j)))] = cell
		}
	}
	return records, err
}

// Save creates an entity, or updates it if the fields have an id; it returns the whole of it.
func (conn *Conn) Save(ctx context.Context, entity string, fields Record) (Record, error) {
	memory := &valueMemory{}
	defer memory.free()
	record, err := toRecord(memory, fields)
	if err != nil {
		return nil, err
	}
	rows, err := conn.entities(ctx, entity, func(schema *C.pond_schema, name *C.char,
		out **C.pond_plan, details **C.pond_error) C.int {
		return C.pond_plan_save(schema, name, record, nil, out, details)
	})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// History returns all versions of an entity.
func (conn *Conn) History(ctx context.Context, entity, id string) ([]Record, error) {
	key := C.CString(id)
	defer C.free(unsafe.Pointer(key))
	return conn.entities(ctx, entity, func(schema *C.pond_schema, name *C.char,
		out **C.pond_plan, details **C.pond_error) C.int {
		return C.pond_plan_history(schema, name, key, nil, out, details)
	})
}
