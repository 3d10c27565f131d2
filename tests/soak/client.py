"""A stock SocketHandler at a steady rate: client.py PORT SECONDS RATE. Prints how many records it was given."""

import logging
import logging.handlers
import sys
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
    begin = time.time()
    sent = 0
    while True:
        passed = time.time() - begin
        if passed >= seconds:
            break
        while sent < passed * rate:
            logger.info("%d", sent)
            sent += 1
        time.sleep(0.001)
    handler.close()
    print(sent)


if __name__ == "__main__":
    main()
