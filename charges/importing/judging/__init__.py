"""What rows cost, who pays, and whether somebody must look."""
