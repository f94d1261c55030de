//! How many replicas there should be: a pure function of what a service does, its policy and the time.
