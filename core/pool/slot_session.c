#include "pool/pool.h"

static void on_use(void *owner, const pondi_use *use)
{
    pondi_slot *slot = owner;
    pondi_dialer *dialer = slot->pool->dialer;
    if (slot->session)
        dialer->noted(dialer, slot->session, slot->conn, use);
}

void pondi_slot_track(pondi_slot *slot, pondi_conn *conn)
{
    conn->tracks = slot->session != NULL;
    conn->noted_by = slot->session ? on_use : NULL;
}

void pondi_slot_join_session(pondi_slot *slot, pond_session *session)
{
    pond_session_retain(session);
    pond_session_release(slot->session);
    slot->session = session;
    if (slot->conn)
        pondi_slot_track(slot, slot->conn);
}

void pondi_slot_leave_session(pondi_slot *slot)
{
    pondi_slot_join_session(slot, NULL);
}
