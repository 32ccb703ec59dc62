#include <stdio.h>
#include <string.h>

#include "arrow/field.h"
#include "base/alloc.h"
#include "base/value.h"

/* Everything that one schema owns. */
typedef struct schema_memory {
    char format[24];
    char *name;
    char metadata[128];
    struct ArrowSchema *children;
    struct ArrowSchema *pointers[];
} schema_memory;

static void release_schema(struct ArrowSchema *schema)
{
    schema_memory *memory = schema->private_data;
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release) /* else the consumer has moved it away */
            schema->children[i]->release(schema->children[i]);
    }
    pondi_free(memory->children);
    pondi_free(memory->name);
    pondi_free(memory);
    schema->release = NULL;
}

static int make_schema(struct ArrowSchema *out, const char *name, size_t children)
{
    memset(out, 0, sizeof(*out));
    schema_memory *memory =
        pondi_calloc(1, sizeof(*memory) + children * sizeof(struct ArrowSchema *));
    if (!memory)
        return POND_ENOMEM;
    memory->name = pondi_strdup(name);
    memory->children = pondi_calloc(children ? children : 1, sizeof(struct ArrowSchema));
    if (!memory->name || !memory->children) {
        pondi_free(memory->name);
        pondi_free(memory->children);
        pondi_free(memory);
        return POND_ENOMEM;
    }
    for (size_t i = 0; i < children; i++)
        memory->pointers[i] = &memory->children[i];
    out->format = memory->format;
    out->name = memory->name;
    out->flags = ARROW_FLAG_NULLABLE;
    out->n_children = (int64_t)children;
    out->children = children ? memory->pointers : NULL;
    out->release = release_schema;
    out->private_data = memory;
    return POND_OK;
}

static void set_format(schema_memory *memory, const pondi_arrow_field *field)
{
    size_t size = sizeof(memory->format);
    if (field->type == POND_TYPE_DECIMAL)
        snprintf(memory->format, size, pondi_arrow_width(field) == 16 ? "d:%d,%d" : "d:%d,%d,256",
                 (int)pondi_arrow_precision(field), (int)field->scale);
    else if (field->type == POND_TYPE_INTERVAL)
        snprintf(memory->format, size, "%s", field->has_months ? "tin" : "tDu");
    else
        snprintf(memory->format, size, "%s", pondi_value_type_of(field->type)->arrow_format);
}

static char *put_text(char *at, const char *text)
{
    int32_t size = (int32_t)strlen(text);
    memcpy(at, &size, sizeof(size));
    memcpy(at + sizeof(size), text, (size_t)size);
    return at + sizeof(size) + size;
}

/* Two pairs; the extension has no parameters. */
static void name_extension(struct ArrowSchema *schema, const char *extension)
{
    schema_memory *memory = schema->private_data;
    const int32_t pairs = 2;
    memcpy(memory->metadata, &pairs, sizeof(pairs));
    char *at = put_text(memory->metadata + sizeof(pairs), "ARROW:extension:name");
    at = put_text(at, extension);
    put_text(put_text(at, "ARROW:extension:metadata"), "");
    schema->metadata = memory->metadata;
}

int pondi_arrow_schema(const pondi_arrow_field *field, const char *name, struct ArrowSchema *out)
{
    static const pondi_arrow_field nothing = {.type = POND_TYPE_NULL};
    int is_list = field->type == POND_TYPE_ARRAY;
    int code = make_schema(out, name, is_list ? 1 : 0);
    if (code)
        return code;
    set_format(out->private_data, field);
    const char *extension = pondi_value_type_of(field->type)->arrow_extension;
    if (extension)
        name_extension(out, extension);
    if (is_list)
        code = pondi_arrow_schema(field->of ? field->of : &nothing, "item", out->children[0]);
    if (code)
        out->release(out);
    return code;
}

int pondi_arrow_batch_schema(const pondi_arrow_field *fields, const pond_result *result,
                             struct ArrowSchema *out)
{
    int code = make_schema(out, "", result->column_count);
    if (code)
        return code;
    ((schema_memory *)out->private_data)->format[0] = '+';
    ((schema_memory *)out->private_data)->format[1] = 's';
    out->flags = 0;
    for (size_t i = 0; i < result->column_count && !code; i++)
        code =
            pondi_arrow_schema(&fields[i], result->class->column_name(result, i), out->children[i]);
    if (code)
        out->release(out);
    return code;
}
