"""A stock SocketHandler at a steady rate: client.py PORT SECONDS RATE [PREFIX].

Prints how many records it was given, and the worst call in milliseconds. With a
PREFIX it stops as well when its standard input ends.
"""

import logging
import logging.handlers
import sys
import threading
import time


def main():
    port, seconds, rate = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    # What is tried here is the handler as it comes; its tracebacks about a dead receiver say nothing new.
    logging.raiseExceptions = False
    logger = logging.getLogger("soak")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = logging.handlers.SocketHandler("127.0.0.1", port)
    logger.addHandler(handler)
    prefix = sys.argv[4] if len(sys.argv) > 4 else ""
    ended = threading.Event()
    if prefix:
        def wait():
            sys.stdin.read()
            ended.set()
        waiter = threading.Thread(target=wait)
        waiter.daemon = True
        waiter.start()
    begin = time.time()
    sent, worst = 0, 0
    while not ended.is_set():
        passed = time.time() - begin
        if passed >= seconds:
            break
        while sent < passed * rate:
            before = time.time()
            logger.info("%s%d", prefix, sent)
            worst = max(worst, time.time() - before)
            sent += 1
        time.sleep(0.001)
    handler.close()
    print("%d %d" % (sent, worst * 1000))


if __name__ == "__main__":
    main()
