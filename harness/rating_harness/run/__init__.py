"""The only room with side effects: it carries a plan out in a lab, and hands back what was observed."""
