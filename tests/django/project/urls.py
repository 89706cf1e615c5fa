"""Obtain a token, and ask who one is: the two endpoints of REST framework's own documentation."""

from django.urls import path
from rest_framework.authentication import TokenAuthentication
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


class WhoAmI(APIView):
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": request.user.get_username(), "auth": str(request.auth)})


urlpatterns = [
    path("api-token-auth/", obtain_auth_token),
    path("api/example/", WhoAmI.as_view()),
]
