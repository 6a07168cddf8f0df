// How a receiver's pieces reach it: straight from their senders' buffers, host memory by memcpy,
// memory of a device in the receiver's queue of copies.
#pragma once

#include "collectives/threads/thread_world.h"

namespace gigatrain::collectives {

int rank_of(const ThreadWork& work);  // in its group

// The copies of an operation that is over here, into this rank's buffers and out of them: what its
// queue is given from now on comes after them.
void follow_copies(const ThreadWork& work);
// The same for the host, after a failure.
void wait_for_copies(const ThreadWork& work);

}  // namespace gigatrain::collectives
