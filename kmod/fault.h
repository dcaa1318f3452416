/* SPDX-License-Identifier: GPL-2.0 */
/* What a touch finds. */
#ifndef ASHLAR_FAULT_H
#define ASHLAR_FAULT_H

#include <linux/mm.h>

/* vm_operations_struct.fault. Never commits what was not allocated. */
vm_fault_t ashlar_fault(struct vm_fault *vmf);

/* vm_operations_struct.page_mkwrite, while pages are shared since a fork. */
vm_fault_t ashlar_mkwrite(struct vm_fault *vmf);

#endif /* ASHLAR_FAULT_H */
