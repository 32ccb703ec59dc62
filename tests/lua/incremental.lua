-- Collect all the time, in the smallest steps.
collectgarbage("incremental", 0, 1000, 0)
