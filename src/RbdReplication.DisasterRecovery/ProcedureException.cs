using System.Net;
using RbdReplication.Kubernetes;

namespace RbdReplication.DisasterRecovery;

/// <summary>A procedure cannot go on.</summary>
/// <param name="message">What, of which claim, at which site.</param>
/// <param name="next">What to do next, in one line.</param>
/// <param name="cause">What it comes from.</param>
public sealed class ProcedureException(string message, string next, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>What to do next, in one line.</summary>
    public string Next => next;

    /// <summary>Whether an API server did not answer, or with a failure of its own, as one does that is lost or restarted: another attempt may succeed.</summary>
    internal bool IsOutage => InnerException is KubernetesApiException { Status: null or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError };
}
