/* SPDX-License-Identifier: GPL-2.0 */
/* What a touch finds. */
#ifndef ASHLAR_FAULT_H
#define ASHLAR_FAULT_H

#include <linux/mm.h>
#include "compat.h"

/*
 * vm_operations_struct.huge_fault: maps nothing, but saves the kernel a page
 * table. Called on 6.6 and later, where the system's THP setting is "always" or
 * the VMA has MADV_HUGEPAGE.
 */
vm_fault_t ashlar_huge_fault(ASHLAR_HUGE_FAULT_ARGS);

/* vm_operations_struct.fault. Never commits what was not allocated. */
vm_fault_t ashlar_fault(struct vm_fault *vmf);

/* vm_operations_struct.page_mkwrite, while pages are shared since a fork. */
vm_fault_t ashlar_mkwrite(struct vm_fault *vmf);

int ashlar_faults_init(void);
void ashlar_faults_exit(void);

#endif /* ASHLAR_FAULT_H */
