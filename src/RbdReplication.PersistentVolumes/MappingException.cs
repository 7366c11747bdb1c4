using RbdReplication.Core;
using RbdReplication.Kubernetes;

namespace RbdReplication.PersistentVolumes;

/// <summary>Why a journal cannot be opened or read, as the outcome of every volume that needs it.</summary>
internal sealed class MappingException(MappingOutcome outcome, Exception? cause = null) : Exception(outcome.Message, cause)
{
    public MappingOutcome Outcome => outcome;

    /// <summary>Gives a failure of Core its outcome.</summary>
    public static MappingException From(ReplicationException failure) => new(
        new(failure.Error switch
        {
            ReplicationError.NotFound => MappingResult.PoolNotFound,
            ReplicationError.NotConfigured => MappingResult.ClusterNotFound,
            ReplicationError.AccessDenied => MappingResult.CredentialsRejected,
            ReplicationError.InvalidArgument => MappingResult.SecretNotFound,
            ReplicationError.Unreachable or ReplicationError.TimedOut or ReplicationError.Busy => MappingResult.CephUnreachable,
            _ => MappingResult.Failed,
        }, failure.Message), failure);

    /// <summary>Gives a failure to read a Secret its outcome.</summary>
    public static MappingException From(KubernetesApiException failure, ObjectName secret) => new(
        failure.IsNotFound
            ? new(MappingResult.SecretNotFound, $"secret {secret} does not exist")
            : new(failure.Status is null or >= System.Net.HttpStatusCode.InternalServerError ? MappingResult.ApiServerUnreachable : MappingResult.SecretNotFound,
                $"secret {secret} cannot be read: {failure.Message}"),
        failure);
}
