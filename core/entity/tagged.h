/* JSON of fields in its stored form, in which an object {"$type": name, "$value": ...} is a typed
 * value that a host wrote. No content can imitate one: a key "$type" of a caller's is stored as
 * "$$type", and so on with one more "$". */
#ifndef PONDI_ENTITY_TAGGED_H
#define PONDI_ENTITY_TAGGED_H

#include "base/arena.h"
#include "base/buffer.h"
#include "millpond/millpond.h"

/* Valid JSON in, the same with its keys changed out. Each returns 0, and appends nothing, if there
 * is nothing to change. Linear in the size. */
int pondi_tags_escape(const char *text, size_t size, pondi_buffer *out);
int pondi_tags_unescape(const char *text, size_t size, pondi_buffer *out);

/* True, and the text appended, if the JSON is a string. Lone surrogates become U+FFFD. */
int pondi_json_text(const char *json, size_t size, pondi_buffer *out);

/* Take what is in the buffer as the value's text, kept in the arena, and free the buffer. */
int pondi_keep_text(pondi_arena *arena, pondi_buffer *text, pond_value *value, pond_error **err);

#endif
