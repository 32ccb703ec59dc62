package main

/*
#include <stdlib.h>
#include <millpond/millpond.h>
*/
import "C"

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unsafe"
)

// Values that Go has no type for, as ISO 8601 writes them. A timestamp with a zone is a time.Time,
// other values are bool, int64, float64, string, []byte, json.RawMessage, []any and nil.
type (
	Decimal   string
	Date      string
	TimeOfDay string
	Timestamp string // without a zone
	Interval  string // only from the database
	UUID      string
)

// valueMemory is C's memory for parameters, until the call that they are for has returned.
type valueMemory struct {
	blocks []unsafe.Pointer
}

func (memory *valueMemory) free() {
	for _, block := range memory.blocks {
		C.free(block)
	}
}

func (memory *valueMemory) bytes(data []byte) (*C.char, C.size_t) {
	block := C.calloc(C.size_t(len(data)+1), 1) // ends with a NUL, for names
	memory.blocks = append(memory.blocks, block)
	copy(unsafe.Slice((*byte)(block), len(data)), data)
	return (*C.char)(block), C.size_t(len(data))
}

func (memory *valueMemory) values(count int) []C.pond_value {
	block := C.calloc(C.size_t(count+1), C.size_t(unsafe.Sizeof(C.pond_value{})))
	memory.blocks = append(memory.blocks, block)
	return unsafe.Slice((*C.pond_value)(block), count+1)
}

func (memory *valueMemory) sized(kind C.pond_type, text []byte) C.pond_value {
	data, size := memory.bytes(text)
	return C.pond_value_sized(kind, data, size)
}

func (memory *valueMemory) parse(kind C.pond_type, text string) (C.pond_value, error) {
	var value C.pond_value
	var details *C.pond_error
	data, size := memory.bytes([]byte(text))
	err := fail(C.pond_value_parse(kind, data, size, &value, &details), details)
	return value, err
}

// cArray is the member `array` of the union in pond_value, which cgo shows as bytes; cText is
// `text`.
type cArray struct {
	items *C.pond_value
	count C.size_t
}

type cText struct {
	data *C.char
	size C.size_t
}

func (memory *valueMemory) array(items []any) (C.pond_value, error) {
	value := C.pond_value{_type: C.POND_TYPE_ARRAY}
	copies := memory.values(len(items))
	for i, item := range items {
		var err error
		if copies[i], err = memory.value(item); err != nil {
			return value, err
		}
	}
	*(*cArray)(unsafe.Pointer(&value.as)) = cArray{&copies[0], C.size_t(len(items))}
	return value, nil
}

func boolean(given bool) C.int {
	if given {
		return 1
	}
	return 0
}

func (memory *valueMemory) value(given any) (C.pond_value, error) {
	switch given := given.(type) {
	case nil:
		return C.pond_value_null(), nil
	case bool:
		return C.pond_value_bool(boolean(given)), nil
	case int:
		return C.pond_value_int64(C.int64_t(given)), nil
	case int64:
		return C.pond_value_int64(C.int64_t(given)), nil
	case float64:
		return C.pond_value_double(C.double(given)), nil
	case string:
		return memory.sized(C.POND_TYPE_TEXT, []byte(given)), nil
	case []byte:
		return memory.sized(C.POND_TYPE_BYTES, given), nil
	case json.RawMessage:
		return memory.sized(C.POND_TYPE_JSON, given), nil
	case Decimal:
		return memory.sized(C.POND_TYPE_DECIMAL, []byte(given)), nil
	case Date:
		return memory.parse(C.POND_TYPE_DATE, string(given))
	case TimeOfDay:
		return memory.parse(C.POND_TYPE_TIME, string(given))
	case Timestamp:
		return memory.parse(C.POND_TYPE_TIMESTAMP, string(given))
	case UUID:
		return memory.parse(C.POND_TYPE_UUID, string(given))
	case time.Time:
		value := C.pond_value_int64(C.int64_t(given.UnixMicro()))
		value._type = C.POND_TYPE_TIMESTAMPTZ
		return value, nil
	case []any:
		return memory.array(given)
	}
	return C.pond_value_null(), fmt.Errorf("a parameter cannot be a %T", given)
}

// toValues copies parameters into C's memory; free them with the function.
func toValues(params []any) (*C.pond_value, func(), error) {
	memory := &valueMemory{}
	values := memory.values(len(params))
	for i, param := range params {
		var err error
		if values[i], err = memory.value(param); err != nil {
			return nil, memory.free, fmt.Errorf("parameter %d: %w", i+1, err)
		}
	}
	return &values[0], memory.free, nil
}

// bytesOf copies a cell's text.
func bytesOf(cell *C.pond_value) []byte {
	text := *(*cText)(unsafe.Pointer(&cell.as))
	return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(text.data)), int(text.size))...)
}

func itemsOf(cell *C.pond_value) ([]any, error) {
	array := *(*cArray)(unsafe.Pointer(&cell.as))
	items := make([]any, int(array.count))
	for i, item := range unsafe.Slice(array.items, int(array.count)) {
		var err error
		if items[i], err = fromValue(&item); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// format writes a date, time, interval or UUID.
func format(cell *C.pond_value) (any, error) {
	var out [C.POND_VALUE_TEXT]C.char
	var details *C.pond_error
	if err := fail(C.pond_value_format(cell, &out[0], &details), details); err != nil {
		return nil, err
	}
	text := C.GoString(&out[0])
	switch cell._type {
	case C.POND_TYPE_DATE:
		return Date(text), nil
	case C.POND_TYPE_TIME:
		return TimeOfDay(text), nil
	case C.POND_TYPE_UUID:
		return UUID(text), nil
	case C.POND_TYPE_INTERVAL:
		return Interval(text), nil
	}
	return Timestamp(text), nil
}

func fromValue(cell *C.pond_value) (any, error) {
	integer := *(*int64)(unsafe.Pointer(&cell.as))
	switch cell._type {
	case C.POND_TYPE_NULL:
		return nil, nil
	case C.POND_TYPE_BOOL:
		return integer != 0, nil
	case C.POND_TYPE_INT64:
		return integer, nil
	case C.POND_TYPE_DOUBLE:
		return *(*float64)(unsafe.Pointer(&cell.as)), nil
	case C.POND_TYPE_DECIMAL:
		return Decimal(bytesOf(cell)), nil
	case C.POND_TYPE_TEXT:
		return string(bytesOf(cell)), nil
	case C.POND_TYPE_BYTES:
		return bytesOf(cell), nil
	case C.POND_TYPE_JSON:
		return json.RawMessage(bytesOf(cell)), nil
	case C.POND_TYPE_ARRAY:
		return itemsOf(cell)
	}
	text, err := format(cell)
	if stamp, is := text.(Timestamp); is && cell._type == C.POND_TYPE_TIMESTAMPTZ &&
		!strings.Contains(string(stamp), "infinity") {
		return time.UnixMicro(integer).UTC(), nil
	}
	return text, err
}

func readRows(result *C.pond_result) ([][]any, error) {
	var details *C.pond_error
	columns := int(C.pond_result_column_count(result))
	memory := &valueMemory{}
	defer memory.free()
	cells := memory.values(columns)
	rows := make([][]any, int(C.pond_result_row_count(result)))
	for i := range rows {
		code := C.pond_result_row(result, C.size_t(i), &cells[0], &details)
		if err := fail(code, details); err != nil {
			return nil, err
		}
		rows[i] = make([]any, columns)
		for j := range rows[i] {
			var err error
			if rows[i][j], err = fromValue(&cells[j]); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}
