/* What an SQLSTATE means to us. */
#ifndef PONDI_DRIVER_SQLSTATE_H
#define PONDI_DRIVER_SQLSTATE_H

/* The POND_E* code for an SQLSTATE; POND_EOPERATIONAL for one that says nothing known. */
int pondi_sqlstate_code(const char *sqlstate);

#endif
