output "role_arn" {
  description = "The role that rolekeeper runs as."
  value       = aws_iam_role.hub.arn
}

output "admin_role_name" {
  description = "The one name for aws.admin_roles; null without a dedicated admin role."
  value       = var.admin_role == null ? null : var.admin_role.name
}

output "events_queue_url" {
  description = "events.queue_url in rolekeeper.toml; null without events."
  value       = var.events == null ? null : aws_cloudformation_stack.events[0].outputs["QueueUrl"]
}

output "events_bus_arn" {
  description = "BusArn for ../cloudformation/events-member.yaml; null without events."
  value       = var.events == null ? null : aws_cloudformation_stack.events[0].outputs["BusArn"]
}
