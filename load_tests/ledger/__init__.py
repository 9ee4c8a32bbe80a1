"""Lists of money at the size of years: millions of transactions, and what a page of them costs."""
