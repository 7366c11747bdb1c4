using RbdReplication.Core;
using RbdReplication.Kubernetes;

namespace RbdReplication.PersistentVolumes;

/// <summary>Why a journal cannot be opened or read, as the outcome of every volume that needs it.</summary>
internal sealed class ReconcileException(ReconcileOutcome outcome, Exception? cause = null) : Exception(outcome.Message, cause)
{
    public ReconcileOutcome Outcome => outcome;

    /// <summary>Gives a failure of Core its outcome.</summary>
    public static ReconcileException From(ReplicationException failure) => new(
        new(failure.Error switch
        {
            ReplicationError.NotFound => ReconcileResult.PoolNotFound,
            ReplicationError.NotConfigured => ReconcileResult.ClusterNotFound,
            ReplicationError.AccessDenied => ReconcileResult.CredentialsRejected,
            ReplicationError.InvalidArgument => ReconcileResult.SecretNotFound,
            ReplicationError.Unavailable or ReplicationError.TimedOut or ReplicationError.Busy => ReconcileResult.CephUnreachable,
            _ => ReconcileResult.Failed,
        }, failure.Message), failure);

    /// <summary>Gives a failure to read a Secret its outcome.</summary>
    public static ReconcileException From(KubernetesApiException failure, ObjectName secret) => new(
        failure.IsNotFound
            ? new(ReconcileResult.SecretNotFound, $"secret {secret} does not exist")
            : new(ResultOf(failure, ReconcileResult.SecretNotFound), $"secret {secret} cannot be read: {failure.Message}"),
        failure);

    /// <summary>Gives a failure to read a VolumeGroupReplicationClass its outcome.</summary>
    public static ReconcileException OfClass(KubernetesApiException failure, string name) =>
        new(new(ResultOf(failure, ReconcileResult.InvalidGroup), $"class {name} cannot be read: {failure.Message}"), failure);

    private static ReconcileResult ResultOf(KubernetesApiException failure, ReconcileResult ifRefused) =>
        failure.Status is null or >= System.Net.HttpStatusCode.InternalServerError ? ReconcileResult.ApiServerUnreachable : ifRefused;
}
