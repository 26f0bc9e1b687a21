/* Release and refund of one milestone, with all that can go wrong between us and Stripe.
 *
 * Two workers share the effects; they crash, sleep and lose answers. Requests arrive late or never.
 * Stripe forgets keys. Events come twice, late and in any order. Nobody is paid twice, and when
 * nothing is under way any more, the books say what Stripe says.
 *
 * Each MOVE is one edge of a machine in service/domain/states: machine, record, from, event, to.
 * test_model.py holds them against the tables. A mutation is a flag: spin -DNO_MARGIN ...
 */
mtype = { NONE, FUNDED, RELEASING, RELEASED, REFUNDING, REFUNDED, WAITING, IN_FLIGHT, TRANSFERRED,
          RETURNED, PLANNED, SENDING, UNKNOWN, SUCCEEDED, REJECTED, REQUESTED, PENDING,
          REQUIRES_ACTION, FAILED,
          done, refused, failure, postponed, lost, nothing };   /* outcomes */

/* MOVE waits for its state, and is the guard of a choice. MUST is certain of it. */
#define MOVE(machine, record, from, event, to) record == from -> record = to
#define MUST(machine, record, from, event, to) assert(record == from); record = to

/* Ticks. A request arrives within CALL of its sending, or never: CALL_TIMEOUT_S. */
#define CALL 1
#define LEASE 2        /* longer than a call */
#define PAUSE 2        /* after a lost answer: longer than a call */
#define REMEMBERED 4   /* how long Stripe keeps a key */
#ifdef NO_MARGIN
#define KEY_LIFETIME REMEMBERED
#else
#define KEY_LIFETIME (REMEMBERED - CALL)
#endif

/* Our rows. */
#define TRANSFER 0
#define REFUND_ 1      /* the effect of the refund */
mtype milestone = FUNDED, release = NONE, refund = NONE;
mtype effect[2] = NONE;
byte generation;       /* of the transfer, from 0; each sending of a refund is a new effect */
byte key_age[2];       /* 0: not used yet; 1: used in this tick */
byte due[2];           /* ticks until a worker may take it */
byte holder[2];        /* worker + 1 whose attempt is the newest */
#define OPEN(e) (effect[e] == PLANNED || effect[e] == SENDING || effect[e] == UNKNOWN)

/* Workers and their requests on the wire: effect + 1, and ticks to live. */
byte lease_left[2], wire[2], wire_left[2];
mtype answer[2] = NONE, snapshot[2] = NONE;

/* Stripe: what it made, the refund's status, and what it remembers of each key. */
/* A new generation's key replaces the old: that Stripe forgets early is never kinder. */
byte made[2], kept[2];
mtype status = NONE, stored[2] = NONE;
bool news;             /* an event of the refund is not processed yet */
mtype seen = NONE;     /* what an inbox has fetched and not committed */

inline plan(e) { effect[e] = PLANNED; due[e] = 0; key_age[e] = 0; holder[e] = 0; kept[e] = 0 }

/* What Stripe shows of the refund counts where the table has an edge: that is its rank. */
inline observe(shown) {
#ifdef NO_RANK
  if :: refund != REJECTED -> refund = shown :: else fi;
#else
  if
  :: shown == PENDING && MOVE(REFUND, refund, REQUESTED, pend, PENDING)
  :: shown == PENDING && MOVE(REFUND, refund, REQUIRES_ACTION, pend, PENDING)
  :: shown == REQUIRES_ACTION && MOVE(REFUND, refund, REQUESTED, require_action, REQUIRES_ACTION)
  :: shown == REQUIRES_ACTION && MOVE(REFUND, refund, PENDING, require_action, REQUIRES_ACTION)
  :: shown == SUCCEEDED && MOVE(REFUND, refund, REQUESTED, succeed, SUCCEEDED)
  :: shown == SUCCEEDED && MOVE(REFUND, refund, PENDING, succeed, SUCCEEDED)
  :: shown == SUCCEEDED && MOVE(REFUND, refund, REQUIRES_ACTION, succeed, SUCCEEDED)
  :: shown == FAILED && MOVE(REFUND, refund, REQUESTED, fail, FAILED)
  :: shown == FAILED && MOVE(REFUND, refund, PENDING, fail, FAILED)
  :: shown == FAILED && MOVE(REFUND, refund, REQUIRES_ACTION, fail, FAILED)
  :: shown == FAILED && MOVE(REFUND, refund, SUCCEEDED, fail, FAILED);
     if :: MOVE(MILESTONE, milestone, REFUNDED, refund_failed, REFUNDING) :: else fi
  :: else
  fi;
#endif
  if
  :: refund == SUCCEEDED && MOVE(MILESTONE, milestone, REFUNDING, refund_done, REFUNDED)
  :: else
  fi
}

inline transfer_succeeded() {
  MUST(RELEASE, release, IN_FLIGHT, transfer_succeeded, TRANSFERRED);
  MUST(MILESTONE, milestone, RELEASING, transferred, RELEASED)
}

inline succeed(e, shown) {
  if
  :: MOVE(EFFECT, effect[e], SENDING, succeed, SUCCEEDED)
  :: MOVE(EFFECT, effect[e], UNKNOWN, succeed, SUCCEEDED)
  fi;
  if :: e == TRANSFER -> transfer_succeeded() :: else -> observe(shown) fi
}

inline reject(e) {
  if
  :: MOVE(EFFECT, effect[e], SENDING, reject, REJECTED)
  :: MOVE(EFFECT, effect[e], UNKNOWN, reject, REJECTED)
  fi;
  if
  :: e == TRANSFER -> MUST(RELEASE, release, IN_FLIGHT, transfer_rejected, WAITING)
  :: else ->
     if
     :: MOVE(REFUND, refund, REQUESTED, reject, REJECTED);
        MUST(MILESTONE, milestone, REFUNDING, held_again, FUNDED)
     :: else
     fi
  fi
}

/* effects/settle.py: only who holds the lease counts, except for a success. */
inline settle(e, me, outcome, shown) {
  if
  :: !(effect[e] == SENDING || effect[e] == UNKNOWN) -> skip
  :: else ->
     if
     :: outcome == done -> succeed(e, shown); holder[e] = 0
#ifdef NO_LEASE_CHECK
     :: outcome != done ->
#else
     :: outcome != done && holder[e] == me + 1 ->
#endif
        if
        :: outcome == refused -> reject(e); holder[e] = 0
        :: outcome == postponed && MOVE(EFFECT, effect[e], SENDING, postpone, PLANNED);
           due[e] = 0; holder[e] = 0
        :: outcome == lost && MOVE(EFFECT, effect[e], SENDING, lose, UNKNOWN);
           due[e] = PAUSE; holder[e] = 0
        :: else
        fi
     :: else
     fi
  fi
}

inline lease(e, me) {
  if
  :: MOVE(EFFECT, effect[e], PLANNED, send, SENDING)
  :: MOVE(EFFECT, effect[e], UNKNOWN, send, SENDING)
  :: MOVE(EFFECT, effect[e], SENDING, send, SENDING)
  fi;
  asked = key_age[e] > 0 || (e == TRANSFER && generation > 0);
  if :: key_age[e] == 0 -> key_age[e] = 1 :: else fi;
  due[e] = LEASE; lease_left[me] = LEASE; holder[e] = me + 1;
  answer[me] = NONE; snapshot[me] = NONE
}

/* effects/perform.py. A crash is a jump to the start, at any step. */
#ifdef RELEASE
#define WORKERS 2
#else
#define WORKERS 1      /* here the answers race with the inboxes */
#endif
active [WORKERS] proctype Worker() {
  byte e; bool asked; mtype outcome = NONE;
start:
  atomic { e = 0; asked = false; outcome = NONE;
    lease_left[_pid] = 0; answer[_pid] = NONE; snapshot[_pid] = NONE }
  if
  :: atomic { wire[_pid] == 0 && OPEN(TRANSFER) && due[TRANSFER] == 0 ->
       e = TRANSFER; lease(e, _pid) }
  :: atomic { wire[_pid] == 0 && OPEN(REFUND_) && due[REFUND_] == 0 ->
       e = REFUND_; lease(e, _pid) }
  fi;
#ifndef SEND_AGAIN
  if                                             /* look for what it made */
  :: atomic { asked && made[e] > 0 -> outcome = done; snapshot[_pid] = status }
  :: atomic { asked && made[e] == 0 -> outcome = nothing }
  :: atomic { asked -> outcome = lost }          /* Stripe cannot say */
  :: atomic { asked -> outcome = postponed }     /* it has no time for us */
  :: !asked
  :: goto start
  fi;
#endif
  atomic {
    if
    :: outcome == done
#ifndef SEND_AGAIN
    :: outcome != done && asked && key_age[e] > KEY_LIFETIME ->
       if :: outcome == nothing -> outcome = refused :: else fi
#endif
    :: else ->
       if
#ifndef NO_LEASE_CHECK
       :: lease_left[_pid] <= CALL -> outcome = postponed
#endif
       :: else -> outcome = NONE; wire[_pid] = e + 1; wire_left[_pid] = CALL
       fi
    fi
  }
  if
  :: outcome != NONE
  :: atomic { outcome == NONE && answer[_pid] != NONE -> outcome = answer[_pid] }
  :: atomic { outcome == NONE && wire[_pid] != 0 -> outcome = lost }   /* cut; it may still arrive */
  :: goto start
  fi;
  if                                             /* a stored failure: its request has ended */
  :: atomic { outcome == failure && made[e] > 0 -> outcome = done; snapshot[_pid] = status }
  :: atomic { outcome == failure && made[e] == 0 -> outcome = refused }
  :: atomic { outcome == failure -> outcome = lost }
  :: outcome != failure
  fi;
  if
  :: atomic { settle(e, _pid, outcome, snapshot[_pid]) }
  :: skip
  fi;
  goto start
}

inline make(e) {
  made[e]++;
  assert(made[TRANSFER] + made[REFUND_] <= 1);   /* nobody is paid twice, nor two for one */
  if
  :: e == REFUND_ -> news = true; if :: status = PENDING :: status = SUCCEEDED fi
  :: else
  fi
}

inline arrive(w) {
  k = wire[w] - 1; wire[w] = 0;
  if
  :: kept[k] > 0 -> answer[w] = stored[k]        /* replayed */
  :: else ->
     if
     :: make(k); answer[w] = done
     :: make(k); answer[w] = failure         /* a 5xx after it, stored */
     :: answer[w] = failure
     :: answer[w] = refused                      /* stored */
     :: answer[w] = nothing                      /* refused, and not stored */
     :: answer[w] = postponed                    /* the rate limiter */
     fi;
     if
     :: answer[w] == nothing -> answer[w] = refused
     :: answer[w] == postponed
     :: else -> kept[k] = REMEMBERED; stored[k] = answer[w];
        if :: answer[w] == failure -> answer[w] = lost :: else fi
     fi
  fi;
  if :: k == REFUND_ -> snapshot[w] = status :: else fi;
  if :: skip :: answer[w] = lost fi;
  k = 0
}

active proctype Stripe() {
  byte k;
  do
  :: atomic { wire[0] > 0 -> arrive(0) }
  :: atomic { wire[1] > 0 -> arrive(1) }
#ifdef REFUND
  :: atomic { status == PENDING || status == REQUIRES_ACTION -> news = true;
       if :: status = SUCCEEDED :: status = FAILED
          :: status == PENDING -> status = REQUIRES_ACTION
          :: status == REQUIRES_ACTION -> status = PENDING fi }
  :: atomic { status == SUCCEEDED -> status = FAILED; news = true }
#endif
  od
}

/* The refund is fetched, and applied at once, or by a slow one later; again and again. */
active proctype Inbox() {
  do
  :: atomic { made[TRANSFER] > 0 && (effect[TRANSFER] == SENDING || effect[TRANSFER] == UNKNOWN) ->
       succeed(TRANSFER, NONE); holder[TRANSFER] = 0 }
#ifdef REFUND
  :: atomic { status != NONE -> observe(status); news = false }
  :: atomic { status != NONE && seen == NONE -> seen = status; news = false }
  :: atomic { seen != NONE -> observe(seen); seen = NONE }
  :: atomic { seen != NONE -> seen = NONE; news = true }   /* crashed: not marked processed */
#endif
  od
}

/* Two halves, each checked by itself: -DRELEASE, where a refund is paid at once, and -DREFUND. */
inline pay_back() {
#ifdef RELEASE
  made[REFUND_] = 1; assert(made[TRANSFER] == 0);
  effect[REFUND_] = SUCCEEDED; status = SUCCEEDED; refund = SUCCEEDED;
  MUST(MILESTONE, milestone, REFUNDING, refund_done, REFUNDED)
#else
  refund = REQUESTED; plan(REFUND_)
#endif
}

active proctype People() {
  do
#ifdef RELEASE
  :: atomic { release == NONE && MOVE(MILESTONE, milestone, FUNDED, release, RELEASING);
       release = WAITING }
  :: atomic { effect[TRANSFER] == NONE && MOVE(RELEASE, release, WAITING, request_transfer, IN_FLIGHT);
       plan(TRANSFER) }
  :: atomic { release == WAITING && generation == 0 &&
       MOVE(EFFECT, effect[TRANSFER], REJECTED, renew, PLANNED);
       plan(TRANSFER); generation = 1;
       MUST(RELEASE, release, WAITING, request_transfer, IN_FLIGHT) }
#ifdef WITHDRAW_POSTPONED
  :: atomic { effect[TRANSFER] == PLANNED ->
#else
  :: atomic { effect[TRANSFER] == PLANNED && key_age[TRANSFER] == 0 ->   /* a freeze: never sent */
#endif
       MUST(EFFECT, effect[TRANSFER], PLANNED, withdraw, REJECTED);
       MUST(RELEASE, release, IN_FLIGHT, transfer_rejected, WAITING) }
  :: atomic { refund == NONE && release == WAITING &&
       MOVE(MILESTONE, milestone, RELEASING, refund, REFUNDING);
       MUST(RELEASE, release, WAITING, return, RETURNED); pay_back() }
#endif
  :: atomic { refund == NONE && MOVE(MILESTONE, milestone, FUNDED, refund, REFUNDING); pay_back() }
  od
}

#define QUIET (!OPEN(TRANSFER) && !OPEN(REFUND_) && wire[0] + wire[1] == 0 && !news && \
  seen == NONE)
#define LESS(n) n = (n > 0 -> n - 1 : 0)
#define OLDER(n) n = (n > 0 && n <= REMEMBERED -> n + 1 : n)
#define DROP(w) if :: wire[w] > 0 && wire_left[w] == 0 -> wire[w] = 0; answer[w] = lost \
  :: else fi; LESS(wire_left[w])
/* What can never matter again is the same for the checker. */
#define OVER(e) if :: !OPEN(e) && wire[0] != e + 1 && wire[1] != e + 1 -> \
  key_age[e] = 0; kept[e] = 0; due[e] = 0; holder[e] = 0 :: else fi; \
  if :: kept[e] == 0 -> stored[e] = NONE :: else fi

active proctype Clock() {
  do
  :: d_step {
       DROP(0); DROP(1);
       LESS(due[0]); LESS(due[1]); LESS(lease_left[0]); LESS(lease_left[1]);
       LESS(kept[0]); LESS(kept[1]);
       OLDER(key_age[0]); OLDER(key_age[1]);
       OVER(0); OVER(1);
       if
       :: QUIET ->
          assert((release == TRANSFERRED) == (made[TRANSFER] == 1));
          assert((effect[REFUND_] == SUCCEEDED) == (made[REFUND_] == 1));
          assert(refund != REJECTED || made[REFUND_] == 0);
          assert(!(status == SUCCEEDED || status == FAILED) || refund == status)
       :: else
       fi
     }
  od
}
