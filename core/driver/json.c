#include "driver/json.h"

#include <math.h>
#include <string.h>

#include "base/calendar.h"
#include "base/error.h"
#include "base/real.h"

static void write_string(const char *text, size_t size, pondi_buffer *out)
{
    pondi_buffer_append_char(out, '"');
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            pondi_buffer_append_char(out, '\\');
        if (c < 0x20)
            pondi_buffer_appendf(out, "\\u%04x", c);
        else
            pondi_buffer_append_char(out, (char)c);
    }
    pondi_buffer_append_char(out, '"');
}

static int write_array(const pond_value *value, pondi_buffer *out, pond_error **err)
{
    pondi_buffer_append_char(out, '[');
    for (size_t i = 0; i < value->as.array.count; i++) {
        if (i)
            pondi_buffer_append_char(out, ',');
        int code = pondi_json_write(&value->as.array.items[i], out, err);
        if (code)
            return code;
    }
    pondi_buffer_append_char(out, ']');
    return POND_OK;
}

static int write_number(double number, pondi_buffer *out, pond_error **err)
{
    if (!isfinite(number))
        return pondi_error_set(err, POND_ERANGE, "JSON has no %s",
                               isnan(number) ? "NaN" : "infinity");
    char text[PONDI_REAL_TEXT];
    size_t size = pondi_format_real(number, text);
    pondi_buffer_append(out, text, size);
    if (!memchr(text, '.', size) && !memchr(text, 'e', size))
        pondi_buffer_append_text(out, ".0"); /* or it would come back as an integer */
    return POND_OK;
}

static int write_formatted(const pond_value *value, pondi_buffer *out, pond_error **err)
{
    char text[128];
    size_t size = pondi_format_value(value, text, sizeof(text));
    if (!size)
        return pondi_error_set(err, POND_ERANGE,
                               "an element of the array cannot be written as JSON");
    write_string(text, size, out);
    return POND_OK;
}

int pondi_json_write(const pond_value *value, pondi_buffer *out, pond_error **err)
{
    int code = POND_OK;
    switch (value->type) {
    case POND_TYPE_NULL:
        pondi_buffer_append_text(out, "null");
        break;
    case POND_TYPE_BOOL:
        pondi_buffer_append_text(out, value->as.integer ? "true" : "false");
        break;
    case POND_TYPE_INT64:
        pondi_buffer_appendf(out, "%lld", (long long)value->as.integer);
        break;
    case POND_TYPE_DOUBLE:
        code = write_number(value->as.real, out, err);
        break;
    case POND_TYPE_TEXT:
    case POND_TYPE_DECIMAL:
        write_string(value->as.text.data, value->as.text.size, out);
        break;
    case POND_TYPE_JSON:
        pondi_buffer_append(out, value->as.text.data, value->as.text.size);
        break;
    case POND_TYPE_ARRAY:
        code = write_array(value, out, err);
        break;
    default:
        code = write_formatted(value, out, err);
        break;
    }
    return code ? code : (out->failed ? pondi_error_nomem(err) : POND_OK);
}
