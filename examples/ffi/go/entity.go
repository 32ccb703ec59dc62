package main

/*
#include <stdlib.h>
#include <millpond/millpond.h>
*/
import "C"

import "unsafe"

// Record is one entity, or one version of it.
type Record map[string]any

// toFields copies fields into C's memory; free them with the function.
func toFields(fields Record) (*C.pond_record, func()) {
	names := make([]unsafe.Pointer, 0, len(fields))
	params := make([]any, 0, len(fields))
	for name, value := range fields {
		names = append(names, unsafe.Pointer(C.CString(name)))
		params = append(params, value)
	}
	values, freeValues := toValues(params)
	source := unsafe.Slice(values, len(params))
	memory := C.calloc(C.size_t(len(params)+1), C.size_t(unsafe.Sizeof(C.pond_field{})))
	given := unsafe.Slice((*C.pond_field)(memory), len(params))
	for i := range given {
		given[i].name = (*C.char)(names[i])
		given[i].value = source[i]
	}
	record := (*C.pond_record)(C.calloc(1, C.size_t(unsafe.Sizeof(C.pond_record{}))))
	record.fields = (*C.pond_field)(memory)
	record.field_count = C.uint64_t(len(params))
	return record, func() {
		for _, name := range names {
			C.free(name)
		}
		freeValues()
		C.free(memory)
		C.free(unsafe.Pointer(record))
	}
}

// A planner makes a plan for entities of a name.
type planner func(schema *C.pond_schema, entity *C.char, out **C.pond_plan, err **C.pond_error) C.int

// entities runs what a planner makes.
func (conn *Conn) entities(entity string, make planner) ([]Record, error) {
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
	return conn.run(plan)
}

// run runs a plan to its end, and releases it.
func (conn *Conn) run(plan *C.pond_plan) ([]Record, error) {
	var details *C.pond_error
	defer C.pond_plan_release(plan)
	code := C.pond_connection_run_wait(conn.handle, plan, C.POND_TIMEOUT_DEFAULT, &details)
	if err := fail(code, details); err != nil {
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
func (conn *Conn) Save(entity string, fields Record) (Record, error) {
	record, free := toFields(fields)
	defer free()
	rows, err := conn.entities(entity, func(schema *C.pond_schema, name *C.char,
		out **C.pond_plan, details **C.pond_error) C.int {
		return C.pond_plan_save(schema, name, record, nil, out, details)
	})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// History returns all versions of an entity.
func (conn *Conn) History(entity, id string) ([]Record, error) {
	key := C.CString(id)
	defer C.free(unsafe.Pointer(key))
	return conn.entities(entity, func(schema *C.pond_schema, name *C.char,
		out **C.pond_plan, details **C.pond_error) C.int {
		return C.pond_plan_history(schema, name, key, nil, out, details)
	})
}
